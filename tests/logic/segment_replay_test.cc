// What of a segment is read back: whole records in order, up to the first that is not the next;
// however its tail is torn, and wherever a byte of it is wrong.
#include "logic/segment_replay.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "logic/segment_log.h"
#include "shared/limits.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::TempDir;

constexpr std::uint32_t kNumber = 3;
constexpr std::uint64_t kFirstCommit = 40;
constexpr std::uint64_t kFileBytes = 8 * kKiB;

std::string body_of(std::uint64_t commit) {
  return "commit " + std::to_string(commit) + std::string(commit % 11, '+');
}

// A segment of `records` records. Returns where each of them ends.
std::vector<std::uint64_t> write_segment(const std::string& directory, std::uint64_t records) {
  SegmentFile file;
  REQUIRE(make_segment(directory, SegmentIo::real(), kNumber, kFileBytes, file) ==
          StoreStatus::kOk);
  SegmentLog log(SegmentIo::real());
  log.activate(file);
  std::vector<std::uint64_t> ends;
  for (std::uint64_t commit = kFirstCommit; commit < kFirstCommit + records; ++commit) {
    std::string body = body_of(commit);
    // In two parts, as two batches are.
    iovec parts[3] = {{}, {body.data(), 3}, {body.data() + 3, body.size() - 3}};
    std::uint64_t offset = 0;
    REQUIRE(log.append(commit, parts, body.size(), true, offset) == StoreStatus::kOk);
    CHECK(offset % 8 == 0);
    ends.push_back(log.end());
  }
  close_segment(log.active());
  return ends;
}

// How many records are read, each checked.
std::uint64_t read_records(const std::string& directory, std::uint64_t void_from = UINT64_MAX) {
  SegmentReplay segment(directory, kNumber);
  std::uint64_t commit = kFirstCommit;
  while (const auto record = segment.next(commit, void_from)) {
    CHECK(record->commit == commit);
    CHECK(record->body == body_of(commit));
    ++commit;
  }
  return commit - kFirstCommit;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST_CASE("segment replay: every record, where it lies, and nothing behind the last") {
  const TempDir directory(TempDir::Place::kInMemory);
  const auto ends = write_segment(directory.path(), 7);
  SegmentReplay segment(directory.path(), kNumber);
  REQUIRE(segment.header());
  CHECK(segment.header()->first_commit == kFirstCommit);
  CHECK(segment.header()->number == kNumber);
  CHECK(segment.file_bytes() == kFileBytes);
  const std::string file = read_file(directory.path() + "/" + segment_name(kNumber));
  for (std::uint64_t at = 0; at < 7; ++at) {
    const auto record = segment.next(kFirstCommit + at, UINT64_MAX);
    REQUIRE(record);
    CHECK(segment.end() == ends[at]);
    CHECK(file.substr(record->body_offset, record->body.size()) == record->body);
  }
  CHECK_FALSE(segment.next(kFirstCommit + 7, UINT64_MAX));
  CHECK(segment.end() == ends.back());
}

TEST_CASE("segment replay: torn at any byte, with zeros or with the file's end behind") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = directory.path() + "/" + segment_name(kNumber);
  const auto ends = write_segment(directory.path(), 4);
  const std::string whole = read_file(path);
  for (std::uint64_t cut = 0; cut <= ends.back(); ++cut) {
    INFO("cut: " << cut);
    for (const bool zeros : {true, false}) {
      std::string torn = whole.substr(0, cut);
      if (zeros) torn.resize(kFileBytes, '\0');
      write_file(path, torn);
      std::uint64_t whole_records = 0;
      // A record may end in zeros, or in padding that means nothing.
      while (whole_records < 4 &&
             std::memcmp(torn.data(), whole.data(),
                         std::min<std::size_t>(torn.size(), ends[whole_records])) == 0 &&
             torn.size() + 7 >= ends[whole_records] + (zeros ? 7 : 0)) {
        ++whole_records;
      }
      const std::uint64_t read = read_records(directory.path());
      CHECK(read <= 4);
      if (cut < sizeof(SegmentHeader)) {
        CHECK(read == 0);
      } else if (zeros) {
        CHECK(read == whole_records);
      } else {
        std::uint64_t least = 0;
        while (least < 4 && ends[least] <= cut) ++least;
        CHECK(read >= least);
        CHECK(read <= whole_records);
      }
    }
  }
}

TEST_CASE("segment replay: a flipped bit ends it at that record, in the header at once") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = directory.path() + "/" + segment_name(kNumber);
  const auto ends = write_segment(directory.path(), 4);
  const std::string whole = read_file(path);
  for (std::uint64_t at = 0; at < ends.back(); ++at) {
    INFO("byte: " << at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    write_file(path, damaged);
    std::uint64_t before = 0;
    while (ends[before] <= at) ++before;
    const std::uint64_t end = ends[before];
    const std::uint64_t body_end = (before == 0 ? sizeof(SegmentHeader) : ends[before - 1]) +
                                   sizeof(CommitHeader) + body_of(kFirstCommit + before).size();
    const std::uint64_t read = read_records(directory.path());
    if (at < sizeof(SegmentHeader)) {
      CHECK(read == 0);
    } else if (at >= body_end && at < end) {
      CHECK(read == 4);  // padding
    } else {
      CHECK(read == before);
    }
  }
}

TEST_CASE("segment replay: what lies behind a damaged record proves it, a tail does not") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = directory.path() + "/" + segment_name(kNumber);
  const auto ends = write_segment(directory.path(), 4);
  const std::string whole = read_file(path);
  const auto durable = [&](std::uint64_t void_from = UINT64_MAX) {
    SegmentReplay segment(directory.path(), kNumber);
    std::uint64_t commit = kFirstCommit;
    while (segment.next(commit, void_from)) ++commit;
    return segment.durable_behind(commit, void_from);
  };
  CHECK(durable() == 0);
  for (std::uint64_t at = 0; at < 4; ++at) {
    INFO("record: " << at);
    std::string damaged = whole;
    damaged[ends[at] - 20] ^= 1;
    write_file(path, damaged);
    // The last one, written when all before it were synced.
    CHECK(durable() == (at < 3 ? kFirstCommit + 2 : 0));
    CHECK(durable(kFirstCommit + 3) == (at < 2 ? kFirstCommit + 1 : 0));
    CHECK(durable(kFirstCommit + at) == 0);
    damaged.resize(ends[at]);
    write_file(path, damaged);
    CHECK(durable() == 0);
    damaged.resize(kFileBytes, '\0');
    write_file(path, damaged);
    CHECK(durable() == 0);
  }
}

TEST_CASE("segment replay: records from the next segment's first commit on are void") {
  const TempDir directory(TempDir::Place::kInMemory);
  write_segment(directory.path(), 4);
  CHECK(read_records(directory.path(), kFirstCommit) == 0);
  CHECK(read_records(directory.path(), kFirstCommit + 3) == 3);
  CHECK(read_records(directory.path(), kFirstCommit + 4) == 4);
}

TEST_CASE("segment replay: a record elsewhere, of another commit or segment is none") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = directory.path() + "/" + segment_name(kNumber);
  const auto ends = write_segment(directory.path(), 4);
  const std::string whole = read_file(path);
  // The second record where the third was; its commit is made to fit.
  std::string moved = whole;
  moved.replace(ends[1], ends[1] - ends[0], whole.substr(ends[0], ends[1] - ends[0]));
  const std::uint64_t third = kFirstCommit + 2;
  std::memcpy(moved.data() + ends[1] + offsetof(CommitHeader, commit), &third, sizeof third);
  write_file(path, moved);
  CHECK(read_records(directory.path()) == 2);
  // The same bytes under another number.
  write_file(path, whole);
  CHECK(rename(path.c_str(), (directory.path() + "/" + segment_name(4)).c_str()) == 0);
  CHECK_FALSE(SegmentReplay(directory.path(), 4).header());
  CHECK_FALSE(SegmentReplay(directory.path(), 4).next(kFirstCommit, UINT64_MAX));
}

TEST_CASE("segment names: ten digits, ascending, nothing else") {
  CHECK(segment_name(1) == "0000000001.seg");
  CHECK(segment_name(UINT32_MAX) == "4294967295.seg");
  CHECK(parse_segment_name("0000000042.seg") == 42);
  CHECK(parse_segment_name("4294967295.seg") == UINT32_MAX);
  for (const char* name : {"4294967296.seg", "000000042.seg", "0000000042.log", "0000000042", "",
                           ".seg", "00000000x2.seg", "-000000042.seg"}) {
    INFO(name);
    CHECK(parse_segment_name(name) == 0);
  }
  const TempDir directory(TempDir::Place::kInMemory);
  CHECK(list_segments(directory.path() + "/none").empty());
  for (const char* name : {"0000000011.seg", "0000000002.seg", "x", "0000000003.tmp"}) {
    write_file(directory.path() + "/" + name, "");
  }
  CHECK(list_segments(directory.path()) == std::vector<std::uint32_t>{2, 11});
}

}  // namespace
}  // namespace ims::logic

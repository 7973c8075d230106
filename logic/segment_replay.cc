// Files and records (segment_replay.h).
#include "logic/segment_replay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "logic/store_options.h"

namespace ims::logic {
namespace {

constexpr std::uint64_t kReplayBytes = 4 * kMiB;
constexpr std::uint64_t kUnusedBytes = 1 * kMiB;  // zeros in a row: nothing was written there

[[noreturn]] void throw_read_error(const std::string& path) {
  throw StoreError("store: cannot read " + path + ": " + std::generic_category().message(errno) +
                   "; see the log for the disk's error");
}

}  // namespace

std::vector<std::uint32_t> list_segments(const std::string& directory) {
  std::vector<std::uint32_t> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::uint32_t number = parse_segment_name(entry.path().filename().string());
    if (number != 0) numbers.push_back(number);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw StoreError("store: cannot list " + directory + ": " + error.message());
  }
  std::ranges::sort(numbers);
  return numbers;
}

std::uint64_t next_first_commit(const std::string& directory,
                                const std::vector<std::uint32_t>& numbers, std::size_t at) {
  if (at + 1 >= numbers.size()) return UINT64_MAX;
  const SegmentReplay next(directory, numbers[at + 1]);
  return next.header() ? next.header()->first_commit : UINT64_MAX;
}

SegmentReplay::SegmentReplay(const std::string& directory, std::uint32_t number)
    : path_(directory + "/" + segment_name(number)),
      fd_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat facts {};
  if (fd_ < 0 || fstat(fd_, &facts) != 0) throw_read_error(path_);
  posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  file_bytes_ = static_cast<std::uint64_t>(facts.st_size);
  const std::string_view bytes = window(0, sizeof(SegmentHeader));
  SegmentHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  is_foreign_ = header.magic != kSegmentMagic && header.magic != 0;
  if (header.magic == kSegmentMagic && header.number == number &&
      header.hash == hash_header(header)) {
    header_ = header;
  }
}

SegmentReplay::~SegmentReplay() {
  if (fd_ >= 0) close(fd_);
}

// [offset, offset + bytes) of the file, less where it ends.
std::string_view SegmentReplay::window(std::uint64_t offset, std::uint64_t bytes) {
  bytes = offset >= file_bytes_ ? 0 : std::min(bytes, file_bytes_ - offset);
  if (offset < window_at_ || offset + bytes > window_at_ + window_.size()) {
    window_at_ = offset;
    window_.resize(std::min(std::max(bytes, kReplayBytes), file_bytes_ - offset));
    for (std::size_t done = 0; done < window_.size();) {
      const ssize_t got = pread(fd_, window_.data() + done, window_.size() - done,
                                static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_read_error(path_);
      if (got == 0) window_.resize(done);
      done += static_cast<std::size_t>(got);
    }
  }
  return std::string_view(window_).substr(offset - window_at_, bytes);
}

// The record that begins there, whole and undamaged.
std::optional<SegmentReplay::Record> SegmentReplay::record_at(std::uint64_t offset) {
  CommitHeader header;
  const std::string_view fixed = window(offset, sizeof header);
  if (fixed.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, fixed.data(), sizeof header);
  if (header.commit < header_->first_commit || header.flags > kFollowsSynced ||
      offset + record_bytes(header.body_bytes) > file_bytes_ + 7) {
    return std::nullopt;
  }
  const std::uint64_t body_offset = offset + sizeof header;
  const std::string_view body = window(body_offset, header.body_bytes);
  if (body.size() < header.body_bytes) return std::nullopt;
  const iovec part{const_cast<char*>(body.data()), body.size()};
  if (hash_record(header_->salt, offset, header, {&part, 1}) != header.hash) return std::nullopt;
  return Record{header.commit, header.flags, body_offset, body};
}

std::optional<SegmentReplay::Record> SegmentReplay::next(std::uint64_t expected,
                                                         std::uint64_t void_from) {
  if (!header_ || expected >= void_from) return std::nullopt;
  const std::uint64_t at = next_offset();
  const auto record = record_at(at);
  if (!record || record->commit != expected) return std::nullopt;
  end_ = at + record_bytes(record->body.size());
  return record;
}

std::uint64_t SegmentReplay::durable_behind(std::uint64_t expected, std::uint64_t void_from) {
  if (!header_ || expected >= void_from) return 0;
  std::uint64_t durable = 0;
  std::uint64_t unused_bytes = 0;
  for (std::uint64_t at = next_offset(); at < file_bytes_ && unused_bytes < kUnusedBytes;) {
    const std::string_view fixed = window(at, sizeof(CommitHeader));
    std::uint64_t commit = 0;
    if (fixed.size() < sizeof(CommitHeader)) break;
    std::memcpy(&commit, fixed.data() + offsetof(CommitHeader, commit), sizeof commit);
    unused_bytes = commit == 0 ? unused_bytes + 8 : 0;
    // Few commits fit behind one another in a file: what is no record rarely looks like one.
    const bool plausible = commit > expected && commit - expected <= file_bytes_;
    const auto record = plausible ? record_at(at) : std::nullopt;
    if (!record || record->commit >= void_from) {
      at += 8;
      continue;
    }
    if ((record->flags & kFollowsSynced) != 0) durable = record->commit - 1;
    at += record_bytes(record->body.size());
  }
  return durable;
}

}  // namespace ims::logic

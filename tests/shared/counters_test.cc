// Counters and their file: names, kinds, sums over threads, a fresh file at each start, damage.
#include "shared/counters.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "shared/counter_file.h"

namespace ims {
namespace {

const std::filesystem::path kPath = "counters_test.counters";

struct Cleanup {
  ~Cleanup() {
    std::filesystem::remove(kPath);
    std::filesystem::remove(kPath.string() + ".new");
  }
};

TEST_CASE("names are Prometheus names, each once") {
  std::set<std::string_view> names;
  for (const CounterEntry& entry : kCounterEntries) {
    CAPTURE(entry.name);
    CHECK(names.insert(entry.name).second);
    CHECK(entry.name.starts_with("ims_"));
    CHECK(entry.name.size() < sizeof(CounterFileName::name));
    const std::string_view base = entry.name.substr(0, entry.name.find('{'));
    CHECK(base.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    CHECK(base.ends_with("_total") == (entry.kind == CounterKind::kCounter));
    if (base.size() < entry.name.size()) CHECK(entry.name.ends_with("\"}"));
  }
}

TEST_CASE("a block on the heap") {
  CounterBlock block;
  CHECK(block.get(Counter::kFramesIn) == 0);
  block.add(Counter::kFramesIn);
  block.add(Counter::kFramesIn, 41);
  block.set(Counter::kConnections, 7);
  block.set(Counter::kConnections, 3);
  CHECK(block.get(Counter::kFramesIn) == 42);
  CHECK(block.get(Counter::kFramesOut) == 0);
  CHECK(block.get(Counter::kConnections) == 3);

  CounterBlock moved = std::move(block);
  moved.add(Counter::kFramesIn);
  CHECK(moved.get(Counter::kFramesIn) == 43);
}

TEST_CASE("each code has its cell") {
  CounterBlock block;
  for (int code = 0; code < kCodeCount; ++code) {
    block.add(counter_of(static_cast<Code>(code)), static_cast<std::uint64_t>(code) + 1);
  }
  CHECK(block.get(Counter::kResponseOk) == 1);
  CHECK(block.get(Counter::kResponseNotFound) == 6);
  CHECK(block.get(Counter::kResponseOffline) == 8);
  CHECK(block.get(Counter::kResponseUnsupported) == kCodeCount);
}

TEST_CASE("the file is read from outside, by name, over all threads") {
  const Cleanup cleanup;
  CounterFileWriter writer = CounterFileWriter::create(kPath, {3, 2}, 1234, 16);
  CounterBlock gateway = writer.take_block("gw0");
  CounterBlock worker = writer.take_block("worker0");
  const CounterFile file = CounterFile::open(kPath);

  gateway.add(Counter::kFramesIn, 5);
  worker.add(Counter::kFramesIn, 2);
  gateway.set(Counter::kConnections, 9);
  StageBlock(writer.trace_regions()[0].cells).record(TraceKind::kStored, Stage::kTotal, 100);
  StageBlock(writer.trace_regions()[1].cells).record(TraceKind::kStored, Stage::kTotal, 102);
  gateway.raise(Counter::kFanoutTurnSends, 5);
  gateway.raise(Counter::kFanoutTurnSends, 4);
  worker.raise(Counter::kFanoutTurnSends, 7);

  CHECK(file.total("ims_frames_total{dir=\"in\"}") == 7);
  CHECK(file.get("ims_frames_total{dir=\"in\"}", "gw0") == 5);
  CHECK(file.get("ims_frames_total{dir=\"in\"}", "worker0") == 2);
  CHECK(file.total("ims_connections") == 9);
  CHECK(file.total("ims_fanout_turn_sends_max") == 7);
  CHECK(file.get("ims_fanout_turn_sends_max", "gw0") == 5);
  CHECK(file.kind("ims_fanout_turn_sends_max") == CounterKind::kPeak);
  CHECK(file.kind("ims_connections") == CounterKind::kGauge);
  CHECK(file.kind("ims_turns_total") == CounterKind::kCounter);
  CHECK(file.stage_times("stored", "total").histogram[histogram_bucket(100)] == 1);
  CHECK(file.stage_times("stored", "total").histogram[histogram_bucket(102)] == 1);
  CHECK(file.stage_times("stored", "total").sum_ns == 202);
  CHECK(file.stage_times("stored", "send").histogram[histogram_bucket(100)] == 0);
  CHECK(file.stage_times("relayed", "total").sum_ns == 0);
  CHECK(file.threads() == std::vector<std::string>{"gw0", "worker0"});
  CHECK(file.names().size() == kCounterCount);
  CHECK(file.pid() == static_cast<std::uint64_t>(getpid()));
  CHECK(file.started_wall_ms() == 1234);
  CHECK(file.trace_sample() == 16);
  CHECK_THROWS(file.total("ims_no_such_total"));
  CHECK_THROWS(file.get("ims_turns_total", "gw1"));
  CHECK_THROWS(file.stage_times("stored", "no_such"));
  CHECK_THROWS(file.stage_times("no_such", "total"));
  CHECK_THROWS(file.kind(""));
}

TEST_CASE("every cell and bucket has its own place") {
  const Cleanup cleanup;
  CounterFileWriter writer = CounterFileWriter::create(kPath, {2, 1}, 0);
  CounterBlock first = writer.take_block("a");
  CounterBlock second = writer.take_block("b");
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    first.set(static_cast<Counter>(i), i + 1);
    second.set(static_cast<Counter>(i), 1000);
  }
  StageBlock stages(writer.trace_regions()[0].cells);
  std::uint64_t next_ns = 0;
  for (std::size_t kind = 0; kind < kTraceKindCount; ++kind) {
    for (std::size_t stage = 0; stage < kStageCount; ++stage) {
      stages.record(static_cast<TraceKind>(kind), static_cast<Stage>(stage), ++next_ns);
      stages.record(static_cast<TraceKind>(kind), static_cast<Stage>(stage), 1ull << 40);
    }
  }
  const CounterFile file = CounterFile::open(kPath);
  const auto names = file.names();
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    CAPTURE(names[i]);
    CHECK(names[i] == kCounterEntries[i].name);
    CHECK(file.get(names[i], "a") == i + 1);
    const bool peak = file.kind(names[i]) == CounterKind::kPeak;
    CHECK(file.total(names[i]) == (peak ? std::max<std::size_t>(i + 1, 1000) : i + 1001));
  }
  CHECK(file.stages() == std::vector<std::string>(std::begin(kStageNames), std::end(kStageNames)));
  CHECK(file.trace_kinds() ==
        std::vector<std::string>(std::begin(kTraceKindNames), std::end(kTraceKindNames)));
  next_ns = 0;
  for (const std::string_view kind : kTraceKindNames) {
    for (const std::string_view stage : kStageNames) {
      CAPTURE(kind);
      CAPTURE(stage);
      const CounterFile::StageTimes times = file.stage_times(kind, stage);
      CHECK(times.sum_ns == ++next_ns + (1ull << 40));
      CHECK(times.histogram[histogram_bucket(next_ns)] == 1);
      CHECK(times.histogram.back() == 1);
      std::uint64_t total = 0;
      for (const std::uint64_t count : times.histogram) total += count;
      CHECK(total == 2);
    }
  }
}

TEST_CASE("blocks end where the file ends") {
  const Cleanup cleanup;
  CounterFileWriter writer = CounterFileWriter::create(kPath, {2, 1}, 0);
  CounterBlock first = writer.take_block("a");
  CounterBlock second = writer.take_block("b");
  CHECK_THROWS(writer.take_block("c"));
}

TEST_CASE("slow traces of all gateways come slowest first") {
  const Cleanup cleanup;
  CounterFileWriter writer = CounterFileWriter::create(kPath, {1, 2}, 0);
  SlowTable first(writer.trace_regions()[0].slow);
  SlowTable second(writer.trace_regions()[1].slow);
  SlowTrace trace;
  for (const std::uint64_t ns : {5u, 9u, 7u}) {
    trace.total_ns = ns;
    (ns == 7 ? second : first).offer(trace);
  }
  const std::vector<SlowTrace> list = CounterFile::open(kPath).slow_traces();
  REQUIRE(list.size() == 3);
  CHECK(list[0].total_ns == 9);
  CHECK(list[1].total_ns == 7);
  CHECK(list[2].total_ns == 5);
}

TEST_CASE("a new start begins at 0, and leaves readers of the old file theirs") {
  const Cleanup cleanup;
  CounterFileWriter before = CounterFileWriter::create(kPath, {1, 0}, 1);
  CounterBlock old_block = before.take_block("gw0");
  old_block.add(Counter::kTurns, 5);
  const CounterFile old_file = CounterFile::open(kPath);

  CounterFileWriter after = CounterFileWriter::create(kPath, {1, 0}, 2);
  CounterBlock new_block = after.take_block("gw0");
  new_block.add(Counter::kTurns, 3);
  const CounterFile new_file = CounterFile::open(kPath);
  CHECK(old_file.total("ims_turns_total") == 5);
  CHECK(new_file.total("ims_turns_total") == 3);
  CHECK(new_file.started_wall_ms() == 2);
  CHECK_FALSE(std::filesystem::exists(kPath.string() + ".new"));
}

TEST_CASE("a file that is missing, cut or damaged is refused") {
  const Cleanup cleanup;
  CHECK_THROWS(CounterFile::open("no_such.counters"));
  CHECK_THROWS(CounterFileWriter::create("no_such_folder/counters", {1, 1}, 0));

  const auto damage = [](std::size_t offset, std::uint64_t value, std::size_t bytes) {
    CounterFileWriter::create(kPath, {2, 1}, 0);
    std::fstream file(kPath, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(&value), static_cast<std::streamsize>(bytes));
  };
  CounterFileWriter::create(kPath, {2, 1}, 0);
  CHECK_NOTHROW(CounterFile::open(kPath));
  const std::uint64_t huge = ~std::uint64_t{0} - 7;
  const std::pair<const char*, std::pair<std::size_t, std::size_t>> fields[] = {
      {"magic", {offsetof(CounterFileHeader, magic), 1}},
      {"layout", {offsetof(CounterFileHeader, layout), 4}},
      {"cell_count", {offsetof(CounterFileHeader, cell_count), 4}},
      {"stage_count", {offsetof(CounterFileHeader, stage_count), 4}},
      {"thread_count_max", {offsetof(CounterFileHeader, thread_count_max), 4}},
      {"histogram_buckets", {offsetof(CounterFileHeader, histogram_buckets), 4}},
      {"trace_kind_count", {offsetof(CounterFileHeader, trace_kind_count), 4}},
      {"gateway_count", {offsetof(CounterFileHeader, gateway_count), 4}},
      {"slow_count", {offsetof(CounterFileHeader, slow_count), 4}},
      {"kinds_offset", {offsetof(CounterFileHeader, kinds_offset), 8}},
      {"regions_offset", {offsetof(CounterFileHeader, regions_offset), 8}},
      {"region_bytes", {offsetof(CounterFileHeader, region_bytes), 8}},
      {"slow_offset", {offsetof(CounterFileHeader, slow_offset), 8}},
      {"names_offset", {offsetof(CounterFileHeader, names_offset), 8}},
      {"stages_offset", {offsetof(CounterFileHeader, stages_offset), 8}},
      {"threads_offset", {offsetof(CounterFileHeader, threads_offset), 8}},
      {"blocks_offset", {offsetof(CounterFileHeader, blocks_offset), 8}},
      {"block_bytes", {offsetof(CounterFileHeader, block_bytes), 8}},
      {"file_bytes", {offsetof(CounterFileHeader, file_bytes), 8}},
  };
  for (const auto& field : fields) {
    const auto& place = field.second;
    CAPTURE(field.first);
    damage(place.first, huge, place.second);
    CHECK_THROWS(CounterFile::open(kPath));
  }
  CounterFileWriter::create(kPath, {2, 1}, 0);
  const auto size = std::filesystem::file_size(kPath);
  for (const auto kept : {std::uintmax_t{0}, std::uintmax_t{100}, size - 1}) {
    CAPTURE(kept);
    CounterFileWriter::create(kPath, {2, 1}, 0);
    std::filesystem::resize_file(kPath, kept);
    CHECK_THROWS(CounterFile::open(kPath));
  }
}

TEST_CASE("what is printed as it stands is looked at first") {
  const Cleanup cleanup;
  CounterFileHeader header;
  const auto open_with = [&](auto offset_of, std::string_view bytes) {
    {
      CounterFileWriter writer = CounterFileWriter::create(kPath, {3, 1}, 0);
      writer.take_block("gw0");
      writer.take_block("worker0");
    }
    std::fstream file(kPath, std::ios::in | std::ios::out | std::ios::binary);
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    file.seekp(static_cast<std::streamoff>(offset_of()));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    return CounterFile::open(kPath);
  };
  using namespace std::literals;
  constexpr std::size_t kEntry = sizeof(CounterFileName);
  const auto name_of_cell = [&] { return header.names_offset + 2 * kEntry; };
  CHECK(open_with(name_of_cell, "ims_other\0"s + std::string(69, '\0')).names()[2] == "ims_other");
  CHECK_THROWS(open_with(name_of_cell, "\x1b[2Jims\0"sv));        // a terminal would obey
  CHECK_THROWS(open_with(name_of_cell, "ims other\0"sv));
  CHECK_THROWS(open_with(name_of_cell, "\xff"sv));
  CHECK_THROWS(open_with(name_of_cell, std::string(79, '\0')));    // no name
  CHECK_THROWS(open_with(name_of_cell, std::string(79, 'x')));     // without an end
  CHECK_THROWS(open_with(name_of_cell, "ims\0x"sv));               // something behind the end
  CHECK_NOTHROW(open_with([&] { return name_of_cell() + 79; }, "\2"sv));  // kPeak
  CHECK_THROWS(open_with([&] { return name_of_cell() + 79; }, "\3"sv));
  CHECK_THROWS(open_with([&] { return header.stages_offset; }, "\n"sv));
  CHECK_THROWS(open_with([&] { return header.kinds_offset; }, "\n"sv));
  CHECK_THROWS(open_with([&] { return header.threads_offset + kEntry; }, "\n"sv));
  CHECK_THROWS(open_with([&] { return header.threads_offset; }, "\0\0\0\0"sv));  // a gap
  CHECK_NOTHROW(open_with([&] { return header.threads_offset + 2 * kEntry; }, "a"sv));

  // All of it behind the first page.
  const auto first_page = [&] { return header.names_offset; };
  const auto bytes = static_cast<std::size_t>(std::filesystem::file_size(kPath)) - 4096;
  CHECK_THROWS(open_with(first_page, std::string(bytes, '\xa5')));
  CHECK_THROWS(open_with(first_page, std::string(bytes, 'A')));
  CHECK_THROWS(open_with(first_page, std::string(bytes, '\0')));
}

TEST_CASE("the server of a file is a process, and began at some time") {
  const Cleanup cleanup;
  const auto open_with = [](std::size_t offset, std::uint64_t value) {
    CounterFileWriter::create(kPath, {1, 0}, 0);
    std::fstream file(kPath, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
    file.close();
    return CounterFile::open(kPath);
  };
  constexpr std::size_t kPid = offsetof(CounterFileHeader, pid);
  CHECK_THROWS(open_with(kPid, 0));
  CHECK(open_with(kPid, 1).pid() == 1);
  CHECK(open_with(kPid, 0x7fff'ffff).pid() == 0x7fff'ffff);
  CHECK_THROWS(open_with(kPid, 0x8000'0000));
  constexpr std::size_t kStarted = offsetof(CounterFileHeader, started_wall_ms);
  CHECK_NOTHROW(open_with(kStarted, 253'402'300'799'999));
  CHECK_THROWS(open_with(kStarted, 253'402'300'800'000));
  CHECK_THROWS(open_with(kStarted, ~std::uint64_t{0}));
}

TEST_CASE("a slow message of no kind, or of no time, is refused") {
  const Cleanup cleanup;
  const auto read_with = [](std::uint64_t kind, std::uint64_t ended_ms) {
    CounterFileWriter writer = CounterFileWriter::create(kPath, {1, 1}, 0);
    SlowTrace trace;
    trace.total_ns = 5;
    trace.kind = kind;
    trace.ended_wall_ms = ended_ms;
    SlowTable(writer.trace_regions()[0].slow).offer(trace);
    return CounterFile::open(kPath).slow_traces().size();
  };
  CHECK(read_with(kTraceKindCount - 1, 253'402'300'799'999) == 1);
  CHECK_THROWS(read_with(kTraceKindCount, 1));
  CHECK_THROWS(read_with(0, 253'402'300'800'000));
}

TEST_CASE("a reader beside a writer sees values that only grow") {
  const Cleanup cleanup;
  CounterFileWriter writer = CounterFileWriter::create(kPath, {1, 0}, 0);
  CounterBlock block = writer.take_block("gw0");
  const CounterFile file = CounterFile::open(kPath);
  constexpr std::uint64_t kEvents = 1'000'000;
  std::atomic<bool> done{false};
  std::thread counting([&] {
    for (std::uint64_t i = 0; i < kEvents; ++i) block.add(Counter::kTurns);
    done.store(true);
  });
  std::uint64_t last = 0;
  bool grows = true;
  while (!done.load()) {
    const std::uint64_t now = file.get("ims_turns_total", "gw0");
    grows = grows && now >= last;
    last = now;
  }
  counting.join();
  CHECK(grows);
  CHECK(file.total("ims_turns_total") == kEvents);
}

}  // namespace
}  // namespace ims

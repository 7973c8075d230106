// The table of slowest messages: which it keeps, how long, and that a reader never sees a mix.
#include "shared/slow_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace ims {
namespace {

constexpr std::int64_t kNow = 1'000'000'000;

SlowTrace trace_of(std::uint64_t total_ns, std::int64_t wall_ms = kNow) {
  SlowTrace trace;
  trace.total_ns = total_ns;
  trace.ended_wall_ms = static_cast<std::uint64_t>(wall_ms);
  return trace;
}

std::multiset<std::uint64_t> totals(const std::vector<SlowTrace>& entries) {
  std::multiset<std::uint64_t> all;
  for (const SlowTrace& entry : entries) {
    if (const auto trace = SlowTable::read(entry)) all.insert(trace->total_ns);
  }
  return all;
}

TEST_CASE("it keeps the slowest, whatever their order") {
  for (const bool rising : {true, false}) {
    std::vector<SlowTrace> entries(kSlowTracesMax);
    SlowTable table(entries);
    for (std::uint64_t i = 1; i <= 3 * kSlowTracesMax; ++i) {
      table.offer(trace_of(rising ? i : 3 * kSlowTracesMax + 1 - i));
    }
    const auto kept = totals(entries);
    CHECK(kept.size() == kSlowTracesMax);
    CHECK(*kept.begin() == 2 * kSlowTracesMax + 1);
    CHECK(*kept.rbegin() == 3 * kSlowTracesMax);
  }
}

TEST_CASE("below its bound it keeps all; an empty entry reads as none") {
  std::vector<SlowTrace> entries(kSlowTracesMax);
  SlowTable table(entries);
  CHECK(totals(entries).empty());
  table.offer(trace_of(5));
  table.offer(trace_of(5));
  table.offer(trace_of(3));
  CHECK(totals(entries) == std::multiset<std::uint64_t>{3, 5, 5});
  table.offer(trace_of(0));
  CHECK(totals(entries).size() == 3);
}

TEST_CASE("what is older than ten minutes is forgotten") {
  std::vector<SlowTrace> entries(kSlowTracesMax);
  SlowTable table(entries);
  for (std::size_t i = 0; i < kSlowTracesMax; ++i) table.offer(trace_of(1'000'000 + i));
  table.forget_old(kNow + kSlowTraceKeptMs);  // not older yet
  table.offer(trace_of(5, kNow + kSlowTraceKeptMs));
  CHECK(totals(entries).count(5) == 0);
  table.offer(trace_of(2'000'000, kNow + 1));
  CHECK(totals(entries).size() == kSlowTracesMax);
  table.forget_old(kNow + kSlowTraceKeptMs + 1);
  CHECK(totals(entries) == std::multiset<std::uint64_t>{2'000'000});
  table.offer(trace_of(5, kNow + kSlowTraceKeptMs + 1));
  CHECK(totals(entries) == std::multiset<std::uint64_t>{5, 2'000'000});
}

TEST_CASE("a reader beside the writer sees whole entries") {
  std::vector<SlowTrace> entries(kSlowTracesMax);
  SlowTable table(entries);
  std::atomic<bool> done{false};
  std::thread writing([&] {
    for (std::uint64_t i = 1; i <= 300'000; ++i) {
      SlowTrace trace = trace_of(i);
      for (std::uint64_t& ns : trace.stage_ns) ns = i;
      trace.request_id = i;
      table.offer(trace);
    }
    done.store(true);
  });
  std::size_t seen = 0;
  bool whole = true;
  while (!done.load()) {
    for (const SlowTrace& entry : entries) {
      const auto trace = SlowTable::read(entry);
      if (!trace) continue;
      ++seen;
      whole = whole && trace->request_id == trace->total_ns &&
              std::ranges::all_of(trace->stage_ns,
                                  [&](std::uint64_t ns) { return ns == trace->total_ns; });
    }
  }
  writing.join();
  CHECK(whole);
  CHECK(seen > 0);
}

TEST_CASE("an entry that is being written reads as none") {
  SlowTrace entry = trace_of(5);
  entry.version = 3;
  CHECK_FALSE(SlowTable::read(entry).has_value());
  entry.version = 4;
  CHECK(SlowTable::read(entry)->total_ns == 5);
}

}  // namespace
}  // namespace ims

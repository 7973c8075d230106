// The gate before a store that may be replaced.
#include "logic/store_gate.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace ims::logic {
namespace {

using namespace std::chrono_literals;

TEST_CASE("gate: open at first; closed it lets nobody in; open again it does") {
  StoreGate gate;
  CHECK(gate.enter());
  gate.leave();
  gate.close();
  CHECK_FALSE(gate.enter());
  CHECK(gate.wait_empty(0ms));  // who was refused is not in
  gate.open();
  CHECK(gate.enter());
  gate.leave();
}

TEST_CASE("gate: who is in is waited for, and not longer than said") {
  StoreGate gate;
  REQUIRE(gate.enter());
  REQUIRE(gate.enter());
  gate.close();
  CHECK_FALSE(gate.wait_empty(5ms));
  gate.leave();
  CHECK_FALSE(gate.wait_empty(5ms));
  gate.leave();
  CHECK(gate.wait_empty(5ms));
}

TEST_CASE("gate: what it guards is never replaced under a reader, on any of many threads") {
  constexpr int kThreads = 18;  // more than slots
  constexpr int kReplacements = 50;
  StoreGate gate;
  // Plain on purpose: a reader beside a replacement would see a dead or half-made one.
  auto guarded = std::make_unique<std::vector<int>>(64, 0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> reads{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int at = 0; at < kThreads; ++at) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        if (!gate.enter()) {
          std::this_thread::sleep_for(100us);
          continue;
        }
        const int first = guarded->front();
        for (const int each : *guarded) wrong += each != first ? 1 : 0;
        gate.leave();
        if (++reads % 64 == 0) std::this_thread::sleep_for(100us);  // leaves the owner a CPU
      }
    });
  }
  for (int at = 1; at <= kReplacements; ++at) {
    const std::uint64_t before = reads.load();
    while (reads.load() == before) std::this_thread::yield();
    gate.close();
    REQUIRE(gate.wait_empty(10s));
    guarded.reset();
    guarded = std::make_unique<std::vector<int>>(64, at);
    gate.open();
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(reads >= kReplacements);
}

}  // namespace
}  // namespace ims::logic

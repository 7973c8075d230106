// A gateway whose messages are followed, and whose clock the test moves: for the tests of tracer.h.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/tracer.h"
#include "tests/gateway/gateway_fixture.h"

namespace ims::test {

inline Config traced_config(std::uint32_t sample) {
  Config config = test_config();
  config.trace_sample = sample;
  return config;
}

struct TracedWorld : GatewayFixture {
  explicit TracedWorld(std::uint32_t sample = 1) : GatewayFixture(traced_config(sample)) {}
  explicit TracedWorld(const Config& traced) : GatewayFixture(traced) {}

  std::uint64_t sum(TraceKind kind, Stage stage) {
    return StageBlock(trace_memory.regions()[0].cells).sum_ns(kind, stage);
  }
  std::uint64_t count_of(TraceKind kind, Stage stage = Stage::kTotal) {
    std::uint64_t total = 0;
    const StageBlock block(trace_memory.regions()[0].cells);
    for (const std::uint64_t cell : block.histogram(kind, stage)) total += cell;
    return total;
  }
  // Over all stages, as the total must be.
  std::uint64_t sum_of_stages(TraceKind kind) {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < kStagesOnTheWay; ++i) all += sum(kind, static_cast<Stage>(i));
    return all;
  }
  std::size_t slots_in_use() {
    std::size_t used = 0;
    for (TraceSlot& slot : trace_memory.regions()[0].slots) used += Traces::is_free(slot) ? 0 : 1;
    return used;
  }
  void wait_ns(std::uint64_t ns) { now.ticks += ns; }

  Taken send(const Session& from, const std::string& to, std::uint64_t id, bool offline = false) {
    io.write(from.client, v2_message(id, message_to(to, "text"), offline));
    turn();
    std::optional<Taken> taken = next_record();
    REQUIRE(taken);
    REQUIRE(taken->kind == RecordKind::kMessage);
    return *taken;
  }
  void relay(const Taken& request, std::uint32_t offset, ConnectionId target, std::uint8_t flags) {
    RelayRecord record;
    record.header.kind = RecordKind::kRelay;
    record.header.flags = flags;
    record.target = target;
    record.time_ms = 1;
    record.offset = offset;
    RecordWriter writer(delivery_ring(request.worker), sizeof record);
    REQUIRE(writer.ok());
    writer.header(record);
    writer.commit();
    delivery_ring(request.worker).publish();
  }
};

}  // namespace ims::test

// The name of a trace: which gateway's slot it has, and which tenancy of it (shared/trace.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/ids.h"

namespace ims {

// gateway:8 | generation:40 | slot:16; never 0
using TraceId = std::uint64_t;

inline constexpr std::size_t kTraceSlots = 4096;  // of one gateway

constexpr TraceId make_trace_id(GatewayIndex gateway, std::uint64_t generation, std::size_t slot) {
  return (std::uint64_t{gateway} << 56) | (generation & 0xff'ffff'ffff) << 16 | slot;
}
constexpr std::size_t gateway_of_trace(TraceId id) { return id >> 56; }
constexpr std::size_t slot_of_trace(TraceId id) { return id & 0xffff; }
static_assert(kTraceSlots <= 1u << 16 && (kTraceSlots & (kTraceSlots - 1)) == 0);

}  // namespace ims

// What the machine decides about a config, and what keys demand of each other.
#pragma once

#include <cstdint>

#include "shared/config.h"

namespace ims {

struct Machine {
  std::uint32_t cpus = 1;        // that this process may run on
  std::uint64_t ram_bytes = 0;   // of the machine, or of its container if that is less
};

Machine read_machine();

// Replaces every 0 and auto that the machine answers: placement, gateways, workers,
// max_message_bytes, send_memory_bytes. `io` and max_connections wait for the kernel's answer.
void resolve_config(Config& config, const Machine& machine);

// The relations between keys; throws ConfigError. Wants a resolved config.
void check_config(const Config& config);

}  // namespace ims

// What imsctl top shows: the difference of two looks at a server, per thread and as a whole.
//
//   look()      the counters by thread, and the CPU time of each thread from /proc/PID/task
//   top_json()  rates per second of what lies between two looks
//   top_text()  the same for people
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shared/counter_file.h"

namespace ims {

struct Look {
  std::uint64_t mono_ns = 0;
  std::map<std::string, std::uint64_t> cpu_ns;  // by thread name; over threads of one name
  // By counter, by thread; peaks and gauges as they are.
  std::map<std::string, std::map<std::string, std::uint64_t>> counters;
  std::map<std::string, std::uint64_t> followed;  // messages, by kind of the stage clock
  std::uint64_t trace_sample = 0;
};

// A thread that ends meanwhile is left out.
Look look(const CounterFile& file);

nlohmann::json top_json(const Look& before, const Look& after);
std::string top_text(const nlohmann::json& top);

}  // namespace ims

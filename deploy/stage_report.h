// Where the followed messages' time went, as tables: per kind of message and stage count,
// quantiles, share of the whole. From a counters file, or from what it grew by between two looks.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shared/counter_file.h"

namespace ims {

// By kind, then by stage in the file's order; the last is the total.
struct StageReport {
  struct Stage {
    std::string name;
    CounterFile::StageTimes times;
  };
  struct Kind {
    std::string name;
    std::vector<Stage> stages;
  };
  std::vector<Kind> kinds;
  std::uint64_t trace_sample = 0;
};

// `kind` empty: all of them.
StageReport read_stages(const CounterFile& file, const std::string& kind = {});
// What came since `before`, of the same file.
StageReport since(const StageReport& before, StageReport after);

struct StageSummary {
  std::uint64_t count = 0;
  std::uint64_t sum_ns = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p90_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t p999_ns = 0;
  std::uint64_t max_ns = 0;  // by its bucket's upper edge, as the quantiles
};
StageSummary summarize(const CounterFile::StageTimes& times);

// A table per kind of which there were messages; a sentence where there were none.
std::string stages_text(const StageReport& report);
// {"metric": "ims_stage_seconds", "trace_sample": n, "followed_one_of": {KIND: n},
//  "kinds": {KIND: {STAGE: {"count": ...}}}}
nlohmann::json stages_json(const StageReport& report);

}  // namespace ims

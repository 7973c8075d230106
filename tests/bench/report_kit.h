// A run of three seconds that was in order: 1,000 messages sent, answered and delivered.
#pragma once

#include <memory>

#include "bench/report/report.h"

namespace ims::bench {

struct ReportKit {
  static constexpr std::uint64_t kStart = 5 * kSecondNs;
  static constexpr std::uint64_t kMessages = 1'000;

  ReportKit() {
    tally->begin(kStart, 3 * kSecondNs);
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      const std::uint64_t intended = kStart + i * 2'900'000;
      tally->sent(100, intended, intended + 1'000);
      tally->answered(Code::kOk, intended, intended + 1'000, intended + 50'000);
      tally->delivered(100, intended, intended + 1'000, intended + 60'000 + i * 100);
    }
    tally->generator.idle_ns = 2 * kSecondNs;
    tally->end(kStart + 3 * kSecondNs);
    report.workload = "pair";
    report.title = "pair, 10 connections";
    report.server = "127.0.0.1:7000";
    report.options = {{"connections", "10"}, {"window", "1"}};
    report.tally = tally.get();
  }

  std::unique_ptr<Tally> tally = std::make_unique<Tally>();
  Report report;
};

}  // namespace ims::bench

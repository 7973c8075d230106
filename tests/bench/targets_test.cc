// The command line's targets: what is read, what is refused and why, and where a limit lies.
#include "bench/report/targets.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

namespace ims::bench {
namespace {

constexpr std::string_view kFigures[] = {"drain_seconds"};

Target target_of(std::string_view text) {
  const auto parsed = parse_target(text, kFigures);
  INFO(text);
  if (const auto* error = std::get_if<std::string>(&parsed)) FAIL(*error);
  return std::get<Target>(parsed);
}

TEST_CASE("metrics") {
  Target target = target_of("p99.9<=150us");
  CHECK(target.metric == Metric::kQuantile);
  CHECK(target.fraction == doctest::Approx(0.999));
  CHECK(target.comparison == Comparison::kAtMost);
  CHECK(target.limit == doctest::Approx(150'000));
  CHECK(target.corrected);
  CHECK_FALSE(target.kind.has_value());
  target = target_of("answer.raw.max<1.5s");
  CHECK(target.kind == Kind::kAnswer);
  CHECK_FALSE(target.corrected);
  CHECK(target.metric == Metric::kMax);
  CHECK(target.limit == doctest::Approx(1.5e9));
  target = target_of("login.rate>=50k");
  CHECK(target.kind == Kind::kLogin);
  CHECK(target.metric == Metric::kRate);
  CHECK(target.limit == doctest::Approx(50'000));
  target = target_of("cpu<0.4us");
  CHECK(target.metric == Metric::kCpu);
  CHECK(target.limit == doctest::Approx(400));
  target = target_of("wrong_recipient=0");
  CHECK(target.metric == Metric::kRule);
  CHECK(target.rule == Rule::kWrongRecipient);
  CHECK(target_of("violations==0").metric == Metric::kViolations);
  CHECK(target_of("rate>1.2M").limit == doctest::Approx(1'200'000));
  CHECK(target_of("drain_seconds<=2.5").figure == "drain_seconds");
}

TEST_CASE("every rule has a metric") {
  for (int i = 0; i < kRuleCount; ++i) {
    const auto rule = static_cast<Rule>(i);
    CHECK(target_of(std::string(name_of(rule)) + "=0").rule == rule);
  }
}

TEST_CASE("what is wrong is said") {
  const struct {
    const char* text;
    const char* says;
  } rows[] = {
      {"", "a comparison is missing"},
      {"p50", "a comparison is missing"},
      {"<15us", "there is no metric"},
      {"q50<15us", "there is no metric \"q50\""},
      {"p50<15", "a time needs a unit"},
      {"p50<15m", "a time needs a unit"},
      {"cpu<1", "a time needs a unit"},
      {"p50<us", "a number of at least 0 is missing"},
      {"p50<-1us", "a number of at least 0 is missing"},
      {"p100.1<1us", "a percentile is p0 to p100"},
      {"p5x<1us", "a percentile is p0 to p100"},
      {"rate>5us", "a rate is per second"},
      {"lost=0us", "without a unit"},
      {"answer.lost=0", "there is no metric"},
      {"raw.rate>5", "there is no metric"},
      {"other_seconds<5", "there is no metric"},
      {"drain_seconds<5s", "without a unit"},
      {"p50=<1us", "a number of at least 0 is missing"},
      {"lost=nan", "a number of at least 0 is missing"},
      {"lost=NAN(1)", "a number of at least 0 is missing"},
      {"p99<inf", "a number of at least 0 is missing"},
      {"p99<infinityus", "a number of at least 0 is missing"},
      {"rate>=nank", "a number of at least 0 is missing"},
      {"pnan<1us", "there is no metric"},
      {"lost=0.5", "a count is a whole number"},
      {"lost>=0", "everything is at least 0"},
      {"p50>=0us", "everything is at least 0"},
      {"lost<0", "nothing is below 0"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto parsed = parse_target(row.text, kFigures);
    REQUIRE(std::holds_alternative<std::string>(parsed));
    CHECK(std::get<std::string>(parsed).find(row.says) != std::string::npos);
  }
}

TEST_CASE("a limit that is too large to be a number of nanoseconds is refused") {
  const std::string nines(308, '9');
  CHECK(std::holds_alternative<Target>(parse_target("p50<" + nines + "ns", kFigures)));
  for (const std::string& text :
       {"p50<" + nines + "s", "rate>" + nines + "M", "p50<9" + nines + "s"}) {
    CHECK(std::holds_alternative<std::string>(parse_target(text, kFigures)));
  }
}

TEST_CASE("what is no number meets nothing") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* text : {"lost<5", "lost<=5", "lost=5", "lost>=5", "lost>5"}) {
    CHECK_FALSE(meets(target_of(text), nan));
  }
}

TEST_CASE("limits: below, at, above") {
  const struct {
    const char* text;
    bool below;
    bool at;
    bool above;
  } rows[] = {{"lost<5", true, false, false},
              {"lost<=5", true, true, false},
              {"lost=5", false, true, false},
              {"lost>=5", false, true, true},
              {"lost>5", false, false, true}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const Target target = target_of(row.text);
    CHECK(meets(target, 4) == row.below);
    CHECK(meets(target, 5) == row.at);
    CHECK(meets(target, 6) == row.above);
  }
}

TEST_CASE("values are said in their unit") {
  CHECK(format_value(target_of("p50<1us"), 12'400) == "12.4us");
  CHECK(format_value(target_of("rate>1"), 50'012.4) == "50,012/s");
  CHECK(format_value(target_of("lost=0"), 1'234'567) == "1,234,567");
  CHECK(format_value(target_of("drain_seconds<1"), 2.5) == "2.500");
}

}  // namespace
}  // namespace ims::bench

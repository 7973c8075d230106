// The judgement of a run: exit codes and their precedence, when the generator was the limit, the
// JSON, the table, the files.
#include "bench/report/report.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/report_kit.h"
#include "tests/support/temp_dir.h"

namespace ims::bench {
namespace {

std::vector<Target> targets_of(std::initializer_list<const char*> texts) {
  std::vector<Target> targets;
  constexpr std::string_view kFigures[] = {"drain_seconds"};
  for (const char* text : texts) targets.push_back(std::get<Target>(parse_target(text, kFigures)));
  return targets;
}

double value(const Report& report, const char* text) {
  return value_of(report, targets_of({text}).front()).value();
}

TEST_CASE("exit codes: a broken rule goes before a missed target") {
  ReportKit kit;
  CHECK(exit_code(kit.report, {}) == 0);
  CHECK(exit_code(kit.report, targets_of({"p50<1ms", "lost=0", "rate>300"})) == 0);
  CHECK(exit_code(kit.report, targets_of({"p50<1ms", "p99<1us"})) == 2);
  kit.tally->violation(Rule::kDuplicate, "one");
  CHECK(exit_code(kit.report, {}) == 1);
  CHECK(exit_code(kit.report, targets_of({"p99<1us"})) == 1);
  CHECK(exit_code(kit.report, targets_of({"lost=0"})) == 1);
}

TEST_CASE("what was not measured is missed") {
  ReportKit kit;
  CHECK(exit_code(kit.report, targets_of({"cpu<1s"})) == 2);
  CHECK(exit_code(kit.report, targets_of({"login.p50<1s"})) == 2);
  CHECK(exit_code(kit.report, targets_of({"drain_seconds<1"})) == 2);
  kit.report.figures.emplace_back("drain_seconds", 0.5);
  CHECK(exit_code(kit.report, targets_of({"drain_seconds<1"})) == 0);
  kit.report.server_use = ServerUse{.cpu_ns = 1'000'000'000};
  CHECK(exit_code(kit.report, targets_of({"cpu<=1ms"})) == 0);
}

TEST_CASE("values: of the workload's kind, corrected, unless the target says otherwise") {
  ReportKit kit;
  CHECK(value(kit.report, "max<1s") == doctest::Approx(60'000 + 999 * 100));
  CHECK(value(kit.report, "raw.max<1s") == doctest::Approx(59'000 + 999 * 100));
  CHECK(value(kit.report, "answer.max<1s") == doctest::Approx(50'000));
  CHECK(value(kit.report, "rate>1") == doctest::Approx(333.333));
  CHECK(value(kit.report, "violations=0") == doctest::Approx(0));
  kit.report.primary = Kind::kAnswer;
  CHECK(value(kit.report, "max<1s") == doctest::Approx(50'000));
  kit.report.server_use = ServerUse{.cpu_ns = 5'000'000};
  CHECK(value(kit.report, "cpu<1s") == doctest::Approx(5'000));
}

TEST_CASE("closed loop: the generator was the limit from over 90 % busy on") {
  ReportKit kit;
  kit.tally->generator.idle_ns = 300'000'000;  // of 3 s
  CHECK(generator_limit(kit.report).empty());
  kit.tally->generator.idle_ns = 299'000'000;
  CHECK(generator_limit(kit.report).find("busy 90 %") != std::string::npos);
  kit.report.processes = 2;
  kit.tally->generator.idle_ns = 700'000'000;
  CHECK(generator_limit(kit.report).empty());
}

TEST_CASE("open loop: what chance or the server kept from being sent is not the generator's") {
  ReportKit kit;
  kit.tally->generator.idle_ns = 0;  // it spins, which is no sign of anything
  // Poisson: fewer were due than the rate says, and all of them went at their time.
  kit.report.rate = 400.0;
  CHECK(generator_limit(kit.report).empty());
  // A stop of the server, a full window, nobody online: nine of ten were held back.
  kit.tally->generator.idle_ns = 2 * kSecondNs;
  kit.tally->unsent(ReportKit::kStart, 9 * ReportKit::kMessages, true);
  CHECK(generator_limit(kit.report).empty());
}

TEST_CASE("open loop: busy above 90 %, it may be what held itself back") {
  for (std::uint64_t GeneratorLoad::*const behind :
       {&GeneratorLoad::held_back, &GeneratorLoad::missed}) {
    ReportKit kit;
    kit.report.rate = 400.0;
    kit.tally->generator.idle_ns = 299'000'000;  // of 3 s
    kit.tally->generator.cpu_ns = 1'500'000'000;
    kit.tally->generator.*behind = ReportKit::kMessages / 100;
    CHECK(generator_limit(kit.report).empty());
    ++(kit.tally->generator.*behind);
    CHECK(generator_limit(kit.report).find("busy 90 % of the time, on a CPU 50 %") !=
          std::string::npos);
    kit.tally->generator.idle_ns = 300'000'000;
    CHECK(generator_limit(kit.report).empty());
  }
}

TEST_CASE("open loop: what it had not come to at the end is late by its age") {
  ReportKit kit;
  kit.report.rate = 400.0;
  kit.tally->unsent(ReportKit::kStart + 3 * kSecondNs - 2'000'000, 10, false);
  CHECK(generator_limit(kit.report).empty());
  kit.tally->unsent(ReportKit::kStart + 3 * kSecondNs - 2'000'000, 1, false);
  CHECK(generator_limit(kit.report).find("it sent 2.00ms behind") != std::string::npos);
}

TEST_CASE("open loop: the generator was the limit where it sent late what was free to go") {
  ReportKit kit;
  kit.report.rate = 333.0;
  CHECK(generator_limit(kit.report).empty());
  // Twenty of a thousand lag; the p99 that was measured is 160 us.
  for (int i = 0; i < 20; ++i) kit.tally->send_lag.record(1'000'000);
  CHECK(generator_limit(kit.report).empty());
  for (int i = 0; i < 20; ++i) kit.tally->send_lag.record(1'100'000);
  CHECK(generator_limit(kit.report).find("it sent 1.10ms behind") != std::string::npos);
  // A tenth of what was measured is no matter.
  for (int i = 0; i < 40; ++i) kit.tally->corrected[1].record(20'000'000);
  CHECK(generator_limit(kit.report).empty());
}

TEST_CASE("what an interrupt left open is not verified, and not lost") {
  ReportKit kit;
  kit.report.interrupted = true;
  CHECK(exit_code(kit.report, {}) == 0);  // all the same it was verified to the last message
  CHECK(nlohmann::json::parse(results_json(kit.report, {}, 0))["interrupted"] == true);
  kit.tally->not_verified = 1'234;
  CHECK(exit_code(kit.report, {}) == 3);
  CHECK(exit_code(kit.report, targets_of({"p99<1us"})) == 3);
  const auto json = nlohmann::json::parse(results_json(kit.report, {}, 0));
  CHECK(json["not_verified"] == 1'234);
  CHECK(json["violations"]["lost"] == 0);
  const std::string table = summary_text(kit.report, {});
  CHECK(table.find("NOT VERIFIED  1,234") != std::string::npos);
  CHECK(table.find("VIOLATED ") == std::string::npos);
  kit.tally->violation(Rule::kOrder, "one");
  CHECK(exit_code(kit.report, {}) == 1);
}

TEST_CASE("the JSON holds what README.md lists") {
  ReportKit kit;
  kit.report.rate = 333.0;
  kit.report.probe_before_ns = 52.0;
  kit.report.probe_after_ns = 500.0;
  kit.report.figures.emplace_back("drain_seconds", 1.25);
  kit.report.server_use = ServerUse{.cpu_ns = 5'000'000, .sleeps = 7};
  kit.tally->violation(Rule::kContent, "not UTF-8: \xff\xfe");
  const auto json = nlohmann::json::parse(
      results_json(kit.report, targets_of({"p50<1ms", "cpu<1us", "login.p50<1us"}), 2));
  CHECK(json["format"] == "imsbench 1");
  CHECK(json["workload"] == "pair");
  CHECK(json["loop"] == "open");
  CHECK(json["rate"] == 333.0);
  CHECK(json["options"]["connections"] == "10");
  CHECK(json["probe"]["class"] == "mixed");
  CHECK(json["seconds"] == 3.0);
  CHECK(json["measured"]["answered"] == 1000);
  CHECK(json["measured"]["codes"]["0"] == 1000);
  CHECK(json["per_second"]["delivery"] == doctest::Approx(333.333));
  CHECK(json["latency_us"]["answer"]["corrected"]["p50"] == 50.0);
  CHECK(json["latency_us"]["answer"]["uncorrected"]["max"] == 49.0);
  CHECK_FALSE(json["latency_us"].contains("login"));
  CHECK(json["send_lag_us"]["max"] == 1.0);
  CHECK(json["interrupted"] == false);
  CHECK(json["not_verified"] == 0);
  CHECK(json["generator"]["due"] == 1000);
  CHECK(json["generator"]["held_back"] == 0);
  CHECK(json["generator"]["never_sent"] == 0);
  CHECK(json["generator"]["missed"] == 0);
  CHECK(json["server"]["cpu_us"]["delivery"] == 5.0);
  CHECK(json["server"]["sleeps"] == 7);
  CHECK(json["figures"]["drain_seconds"] == 1.25);
  CHECK(json["violations"]["content"] == 1);
  CHECK(json["violations"]["lost"] == 0);
  CHECK(json["notes"].size() == 1);
  CHECK(json["targets"][0]["met"] == true);
  CHECK(json["targets"][1]["met"] == false);
  CHECK(json["targets"][1]["value"] == "5.00us");
  CHECK(json["targets"][2]["value"] == nullptr);
  CHECK(json["series"]["delivery"]["count"].size() == 3);
  CHECK(json["series"]["delivery"]["max"][2] > json["series"]["delivery"]["max"][0]);
  CHECK(json["exit_code"] == 1);
  CHECK(json["host"]["cpus"].is_number());
}

TEST_CASE("the table shows both latencies of an open loop, and what was missed") {
  ReportKit kit;
  const std::string closed = summary_text(kit.report, {});
  CHECK(closed.find("corrected") == std::string::npos);
  CHECK(closed.find("no rule is broken") != std::string::npos);
  CHECK(closed.find("held back") == std::string::npos);
  kit.report.rate = 400.0;
  kit.tally->unsent(ReportKit::kStart, 20, false);
  kit.tally->unsent(ReportKit::kStart, 30, true);
  kit.tally->violation(Rule::kGap, "user 3");
  const std::string open = summary_text(kit.report, targets_of({"p50<1ms", "p50<1us"}));
  CHECK(open.find("delivery, corrected") != std::string::npos);
  CHECK(open.find("delivery, uncorrected") != std::string::npos);
  CHECK(open.find("IT WAS THE LIMIT") != std::string::npos);
  CHECK(open.find("held back 30 of 1,050 that were due") != std::string::npos);
  CHECK(open.find("30 of them never went") != std::string::npos);
  CHECK(open.find("VIOLATED  gap 1") != std::string::npos);
  CHECK(open.find("gap: user 3") != std::string::npos);
  CHECK(open.find("met       p50<1ms") != std::string::npos);
  CHECK(open.find("MISSED    p50<1us") != std::string::npos);
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("files are written where they were asked for, or it is said that they cannot be") {
  const testing::TempDir temporary;
  const std::filesystem::path folder = temporary.path();
  ReportKit kit;
  const Outputs outputs{.json_file = (folder / "r.json").string(),
                        .hgrm_stem = (folder / "r").string(),
                        .plot_stem = (folder / "r").string()};
  CHECK(finish(kit.report, targets_of({"p50<1us"}), outputs) == 2);
  CHECK(nlohmann::json::parse(file_text(folder / "r.json"))["exit_code"] == 2);
  CHECK(file_text(folder / "r-delivery.hgrm").find("#[Max     =      159.900") !=
        std::string::npos);
  CHECK(file_text(folder / "r-delivery-raw.hgrm").find("#[Max     =      158.900") !=
        std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "r-login.hgrm"));
  CHECK(file_text(folder / "r-time.svg").ends_with("</svg>\n"));
  CHECK(file_text(folder / "r-percentiles.svg").ends_with("</svg>\n"));
  const Outputs nowhere{.json_file = (folder / "no" / "r.json").string(),
                        .hgrm_stem = {}, .plot_stem = {}};
  CHECK_THROWS_AS(try_outputs(nowhere), std::runtime_error);
  CHECK(finish(kit.report, {}, nowhere) == 3);
  CHECK(finish(kit.report, targets_of({"p50<1us"}), nowhere) == 3);
  kit.tally->violation(Rule::kLost, "one");
  CHECK(finish(kit.report, {}, nowhere) == 1);  // that is worse than a file
}

TEST_CASE("files are tried before the run, each of them, and nothing is left of it") {
  const testing::TempDir temporary;
  const std::filesystem::path folder = temporary.path();
  const std::string good = folder / "r";
  const std::string bad = folder / "no" / "r";
  try_outputs({.json_file = good, .hgrm_stem = good, .plot_stem = good});
  try_outputs({.json_file = "-", .hgrm_stem = {}, .plot_stem = {}});
  CHECK_THROWS_AS(try_outputs({.json_file = bad, .hgrm_stem = {}, .plot_stem = {}}),
                  std::runtime_error);
  CHECK_THROWS_AS(try_outputs({.json_file = {}, .hgrm_stem = bad, .plot_stem = {}}),
                  std::runtime_error);
  CHECK_THROWS_AS(try_outputs({.json_file = {}, .hgrm_stem = {}, .plot_stem = bad}),
                  std::runtime_error);
  CHECK(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace ims::bench

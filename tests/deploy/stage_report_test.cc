// What imsctl latency and top say of a counters file: summaries, differences, texts.
#include "deploy/stage_report.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "deploy/live_counters.h"
#include "deploy/top_view.h"

namespace ims {
namespace {

struct File {
  File() : writer(CounterFileWriter::create(path, {2, 2}, 1, 16)) {}
  ~File() { std::filesystem::remove(path); }

  void record(std::size_t gateway, TraceKind kind, Stage stage, std::uint64_t ns) {
    StageBlock(writer.trace_regions()[gateway].cells).record(kind, stage, ns);
  }

  const std::filesystem::path path = "stage_report_test.counters";
  CounterFileWriter writer;
};

const CounterFile::StageTimes& times_of(const StageReport& report, std::size_t kind,
                                        std::size_t stage) {
  return report.kinds.at(kind).stages.at(stage).times;
}

TEST_CASE("a report adds gateways up, and keeps kinds and stages apart") {
  File file;
  file.record(0, TraceKind::kRelayed, Stage::kSend, 40);
  file.record(1, TraceKind::kRelayed, Stage::kSend, 50);
  file.record(1, TraceKind::kStored, Stage::kSend, 7);
  const StageReport report = read_stages(CounterFile::open(file.path));
  REQUIRE(report.kinds.size() == kTraceKindCount);
  CHECK(report.kinds[1].name == "relayed");
  CHECK(report.kinds[1].stages[7].name == "send");
  CHECK(times_of(report, 1, 7).sum_ns == 90);
  CHECK(times_of(report, 2, 7).sum_ns == 7);
  CHECK(times_of(report, 1, 6).sum_ns == 0);
  CHECK(summarize(times_of(report, 1, 7)).count == 2);

  const StageReport stored = read_stages(CounterFile::open(file.path), "stored");
  REQUIRE(stored.kinds.size() == 1);
  CHECK(times_of(stored, 0, 7).sum_ns == 7);
}

TEST_CASE("an interval is the difference of two looks") {
  File file;
  const CounterFile reader = CounterFile::open(file.path);
  file.record(0, TraceKind::kLogin, Stage::kTotal, 1000);
  const StageReport before = read_stages(reader);
  file.record(0, TraceKind::kLogin, Stage::kTotal, 63);
  file.record(1, TraceKind::kLogin, Stage::kTotal, 60);
  const StageReport grown = since(before, read_stages(reader));
  const StageSummary summary = summarize(times_of(grown, 0, 8));
  CHECK(summary.count == 2);
  CHECK(summary.sum_ns == 123);
  CHECK(summary.max_ns == 63);
  CHECK(summary.p50_ns == 60);
}

TEST_CASE("a summary's quantiles are upper edges of their buckets") {
  CounterFile::StageTimes times;
  times.histogram.resize(kHistogramBuckets);
  for (std::uint64_t ns = 1; ns <= 1000; ++ns) ++times.histogram[histogram_bucket(ns)];
  const StageSummary summary = summarize(times);
  CHECK(summary.count == 1000);
  const std::pair<std::uint64_t, std::uint64_t> rows[] = {{summary.p50_ns, 500},
                                                          {summary.p90_ns, 900},
                                                          {summary.p99_ns, 990},
                                                          {summary.p999_ns, 999},
                                                          {summary.max_ns, 1000}};
  for (const auto& [got, exact] : rows) {
    CHECK(got >= exact);
    CHECK(got <= exact + exact / 64 + 1);
  }
  CHECK(summarize({0, std::vector<std::uint64_t>(kHistogramBuckets)}).max_ns == 0);
}

TEST_CASE("the table has a line per stage and the whole's last; nothing followed is a sentence") {
  File file;
  CHECK(stages_text(read_stages(CounterFile::open(file.path))) == "no message was followed yet\n");
  for (std::size_t stage = 0; stage < kStagesOnTheWay; ++stage) {
    file.record(0, TraceKind::kGroup, static_cast<Stage>(stage), 1'000'000);
  }
  file.record(0, TraceKind::kGroup, Stage::kTotal, 8'000'000);
  const std::string text = stages_text(read_stages(CounterFile::open(file.path)));
  CHECK(text.starts_with("group: 1 followed, 1 of 16\nSTAGE"));
  std::istringstream lines(text);
  std::string line;
  std::vector<std::string> names;
  while (std::getline(lines, line)) names.push_back(line.substr(0, line.find(' ')));
  REQUIRE(names.size() == 2 + kStageCount);
  for (std::size_t i = 0; i < kStageCount; ++i) CHECK(names[2 + i] == kStageNames[i]);
  CHECK(text.find("12.5 %") != std::string::npos);
  CHECK(text.ends_with("100.0 %\n"));
  CHECK(text.find("relayed") == std::string::npos);
}

TEST_CASE("of each kind it says how many are followed: of logins every one") {
  File file;  // of 16
  for (const TraceKind kind : {TraceKind::kLogin, TraceKind::kStored, TraceKind::kOther}) {
    file.record(0, kind, Stage::kTotal, 5);
  }
  const StageReport report = read_stages(CounterFile::open(file.path));
  const std::string text = stages_text(report);
  CHECK(text.find("login: 1 followed, every one\n") != std::string::npos);
  CHECK(text.find("stored: 1 followed, 1 of 16\n") != std::string::npos);
  CHECK(text.find("other: 1 followed, 1 of 16\n") != std::string::npos);
  const nlohmann::json one_of = stages_json(report)["followed_one_of"];
  CHECK(one_of.size() == kTraceKindCount);
  CHECK(one_of["login"] == 1);
  CHECK(one_of["group"] == 16);
  CHECK(followed_of("login", 0) == 0);
  CHECK(followed_of("relayed", 0) == 0);
  CHECK(followed_of("relayed", 1) == 1);
}

TEST_CASE("the JSON has counts, sums and quantiles in seconds") {
  File file;
  file.record(0, TraceKind::kStored, Stage::kCommit, 2'000'000);
  file.record(0, TraceKind::kStored, Stage::kTotal, 4'000'000);
  const nlohmann::json json = stages_json(read_stages(CounterFile::open(file.path)));
  CHECK(json["metric"] == "ims_stage_seconds");
  CHECK(json["trace_sample"] == 16);
  const nlohmann::json& commit = json["kinds"]["stored"]["commit"];
  CHECK(commit["count"] == 1);
  CHECK(commit["sum_ns"] == 2'000'000);
  CHECK(commit["sum"].get<double>() == doctest::Approx(0.002));
  CHECK(commit["share"].get<double>() == doctest::Approx(0.5));
  CHECK(commit["quantiles"]["0.5"].get<double>() == doctest::Approx(0.002).epsilon(0.02));
  CHECK(json["kinds"]["login"]["total"]["count"] == 0);
}

TEST_CASE("durations and amounts are short") {
  const std::pair<std::uint64_t, const char*> durations[] = {
      {0, "0 ns"},          {999, "999 ns"},        {1000, "1.0 us"},       {9949, "9.9 us"},
      {9950, "10 us"},      {999'400, "999 us"},    {999'600, "1.0 ms"},    {15'000'000, "15 ms"},
      {2'300'000'000, "2.3 s"}, {70'000'000'000, "70 s"}};
  for (const auto& [ns, text] : durations) CHECK(duration_text(ns) == text);
  const std::pair<double, const char*> amounts[] = {
      {0, "0"}, {0.5, "0.5"}, {7, "7"}, {812, "812"}, {4100, "4.1k"}, {15'000, "15k"},
      {2.3e6, "2.3M"}, {5e9, "5.0G"}};
  for (const auto& [amount, text] : amounts) CHECK(amount_text(amount) == text);
}

TEST_CASE("a table's columns stand below each other") {
  CHECK(table_text({{"A", "BB", "C"}, {"aaa", "1", "2"}}) == "A    BB  C\naaa   1  2\n");
  CHECK(table_text({{"A", "B"}, {"a"}}) == "A  B\na\n");
  CHECK(table_text({}).empty());
}

TEST_CASE("top: rates of what lies between two looks") {
  File file;
  CounterBlock gateway = file.writer.take_block("gw0");
  CounterBlock worker = file.writer.take_block("worker0");
  const CounterFile reader = CounterFile::open(file.path);
  gateway.add(Counter::kTurns, 1000);
  Look before = look(reader);
  gateway.add(Counter::kTurns, 400);
  gateway.add(Counter::kBusyTurns, 100);
  gateway.add(Counter::kFramesOut, 640);
  gateway.add(Counter::kSends, 160);
  gateway.set(Counter::kConnections, 9);
  gateway.set(Counter::kRingBytesRequests, 77);
  worker.add(Counter::kMessagesRelayed, 320);
  worker.add(Counter::kWakesSent, 2);
  worker.add(Counter::kLoginsOk, 6);
  gateway.add(Counter::kLoginsOk, 6);
  gateway.add(Counter::kWakesSent, 4);
  worker.add(Counter::kCommits, 10);
  worker.add(Counter::kBatchMessages, 55);
  file.record(0, TraceKind::kRelayed, Stage::kTotal, 5);
  file.record(1, TraceKind::kRelayed, Stage::kTotal, 5);
  Look after = look(reader);
  before.mono_ns = 1'000'000'000;
  after.mono_ns = 3'000'000'000;
  before.cpu_ns = {{"gw0", 500}, {"gone", 1}};
  after.cpu_ns = {{"gw0", 500 + 1'000'000'000}, {"new", 7}};

  const nlohmann::json top = top_json(before, after);
  CHECK(top["interval_seconds"].get<double>() == doctest::Approx(2));
  REQUIRE(top["threads"].size() == 1);  // those that were there at both looks
  CHECK(top["threads"][0]["thread"] == "gw0");
  CHECK(top["threads"][0]["cpu"].get<double>() == doctest::Approx(0.5));
  CHECK(top["threads"][0]["turns"].get<double>() == doctest::Approx(200));
  CHECK(top["threads"][0]["busy"].get<double>() == doctest::Approx(0.25));
  CHECK(top["messages"]["relayed"].get<double>() == doctest::Approx(160));
  CHECK(top["frames_per_send"].get<double>() == doctest::Approx(4));
  CHECK(top["messages"]["logins"].get<double>() == doctest::Approx(3));  // not twice
  CHECK(top["wakes"]["sent"].get<double>() == doctest::Approx(3));
  CHECK(top["rows_per_commit"].get<double>() == doctest::Approx(5.5));
  CHECK(top["connections"] == 9);
  CHECK(top["rings"]["requests"]["bytes"] == 77);
  CHECK(top["followed"]["relayed"].get<double>() == doctest::Approx(1));

  const std::string text = top_text(top);
  CHECK(text.find("4.0 frames each") != std::string::npos);
  CHECK(text.find("50.0 %") != std::string::npos);
  CHECK(text.find("25 %") != std::string::npos);
  // An interval in which nothing happened divides by nothing.
  CHECK(top_json(after, after)["frames_per_send"] == 0);
}

}  // namespace
}  // namespace ims

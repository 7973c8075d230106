// The command line: what is refused, in which words, and what each workload's loops are told.
#include "bench/load/usage.h"

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/load/options.h"

namespace ims::bench {
namespace {

struct Parsed {
  LoadOptions options;
  std::string refusal;  // empty: it was taken
};

Parsed parsed(std::vector<std::string> words) {
  Parsed result;
  CLI::App app("test");
  app.require_subcommand(1);
  add_load_commands(app, result.options);
  result.refusal = what_is_wrong(app, words);
  if (!result.refusal.empty()) return result;
  words.insert(words.begin() + 1, {"--secret", "s"});
  std::ranges::reverse(words);  // as CLI11 takes them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    result.refusal = error.what();
  }
  return result;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a word that is no workload is named, and those that are") {
  const std::string refusal = parsed({"bogus"}).refusal;
  CHECK(holds(refusal, "'bogus'"));
  CHECK(holds(refusal, "login, pair, group"));
}

TEST_CASE("an option given twice is named; those that take several are not") {
  CHECK(parsed({"pair", "--window", "1", "--window", "2"}).refusal ==
        "pair: --window is given 2 times");
  CHECK(parsed({"pair", "--window=1", "--window", "1"}).refusal ==
        "pair: --window is given 2 times");
  CHECK(parsed({"pair", "--target", "lost=0", "--target", "p50<1s"}).refusal.empty());
  CHECK(parsed({"pair", "--cpus", "0", "--cpus", "1"}).refusal.empty());
  CHECK(parsed({"pair", "--quiet", "--quiet"}).refusal.empty());
}

TEST_CASE("users: as many as there are names") {
  CHECK(parsed({"pair", "--connections", "10", "--first-user", "9999990"}).refusal.empty());
  CHECK(holds(parsed({"pair", "--connections", "10", "--first-user", "9999991"}).refusal,
              "--first-user"));
  const std::vector<std::string> offline = {"offline", "--connections", "2", "--recipients", "5"};
  for (const auto& [from, is_taken] : {std::pair{"9999995", true}, {"9999996", false}}) {
    std::vector<std::string> words = offline;
    words.insert(words.end(), {"--recipients-from", from});
    CHECK(parsed(words).refusal.empty() == is_taken);
  }
  CHECK_FALSE(parsed({"offline", "--connections", "2", "--recipients", "5", "--first-user",
                      "9999994"}).refusal.empty());
}

TEST_CASE("source addresses are those of 127.*") {
  CHECK(holds(parsed({"pair", "--address", "[::1]:7000", "--sources", "2"}).refusal, "--sources"));
  CHECK(holds(parsed({"pair", "--address", "10.0.0.1:7000", "--sources", "2"}).refusal,
              "--sources"));
  CHECK(parsed({"pair", "--address", "127.0.0.1:7000", "--sources", "2"}).refusal.empty());
  CHECK(parsed({"pair", "--address", "[::1]:7000", "--sources", "1"}).refusal.empty());
  CHECK(parsed({"mix", "--address", "[::1]:7000"}).options.sources == 1);
}

TEST_CASE("each workload has a closed and an open loop") {
  for (const char* workload : {"login", "pair", "group", "offline", "idle", "storm", "mix"}) {
    CAPTURE(workload);
    const Parsed closed = parsed({workload, "--window", "64"});
    CHECK(closed.refusal.empty());
    CHECK(closed.options.rate <= 0);
    const Parsed open = parsed({workload, "--rate", "50"});
    CHECK(open.refusal.empty());
    CHECK(open.options.rate == doctest::Approx(50));
  }
  CHECK(parsed({"mix"}).options.rate == doctest::Approx(1000));
  CHECK(parsed({"idle", "--window", "10", "--processes", "4"}).options.logins_in_flight == 2);
}

TEST_CASE("idle times nothing, and writes no curve of it") {
  CHECK(holds(parsed({"idle", "--hgrm", "x"}).refusal, "--hgrm"));
  CHECK(holds(parsed({"idle", "--svg", "x"}).refusal, "--svg"));
  CHECK(parsed({"idle", "--json", "x"}).refusal.empty());
}

}  // namespace
}  // namespace ims::bench

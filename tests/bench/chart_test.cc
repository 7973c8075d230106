// SVG: well formed, every panel with its words, nothing drawn outside.
#include "bench/report/svg_chart.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/report_kit.h"

namespace ims::bench {
namespace {

// Elements are closed in the order in which they are opened, attributes are quoted, and `<`, `>`
// and `&` stand for nothing else. Empty when so, else what is wrong. Enough of XML for our output.
std::string malformed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const std::string rest = text.substr(at, 6);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
          !rest.starts_with("&quot;")) {
        return "a bare &: " + rest;
      }
    }
    if (text[at] == '>') return "a bare > at " + std::to_string(at);
    if (text[at] != '<') {
      ++at;
      continue;
    }
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) return "an open tag";
    const std::string tag = text.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "a bare <: " + tag;
    at = end + 1;
    if (tag.starts_with('?')) continue;
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "an open quote: " + tag;
    const std::string name = tag.substr(0, tag.find(' '));
    if (name.starts_with('/')) {
      if (open.empty() || "/" + open.back() != name) return "closes what is not open: " + name;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the check of well-formedness notices") {
  CHECK(malformed("<a><b/></a>").empty());
  CHECK_FALSE(malformed("<a><b></a>").empty());
  CHECK_FALSE(malformed("<a>1 < 2</a>").empty());
  CHECK_FALSE(malformed("<a>x & y</a>").empty());
  CHECK_FALSE(malformed("<a b=\"c></a>").empty());
}

TEST_CASE("titles are escaped, lines are cut to the axes") {
  Panel panel{.title = "a < b & \"c\"", .x = linear_axis("seconds", 10),
              .y = log_time_axis("latency", 1'000, 1'000'000), .lines = {}};
  panel.lines.push_back({"p50", "#000000", false, {{0, 1}, {5, 5'000}, {20, 1e12}}});
  const std::string svg = svg_chart("one > two", "sub", {&panel, 1});
  CHECK(malformed(svg).empty());
  CHECK(holds(svg, "a &lt; b &amp; &quot;c&quot;"));
  CHECK(holds(svg, "one &gt; two"));
  // 960 wide with 96 and 48 free at the sides, 424 high with 64 + 56 free above and 56 below.
  CHECK(holds(svg, "points=\"96.0,368.0 504.0,310.2 912.0,120.0 \""));
}

std::string texts(const Axis& axis) {
  std::string all;
  for (const Tick& tick : axis.ticks) all += tick.text + " ";
  return all;
}

TEST_CASE("axes have round ends and readable ticks") {
  const Axis seconds = linear_axis("seconds", 9.3);
  CHECK(seconds.high == doctest::Approx(10));
  CHECK(seconds.ticks.front().text == "0");
  CHECK(seconds.ticks.back().text == "10");
  CHECK(linear_axis("per second", 48'000).ticks.back().text == "50,000");
  CHECK(linear_axis("nothing", 0).high == doctest::Approx(1));
  CHECK(texts(linear_axis("a short run", 0.4)) == "0.0 0.1 0.2 0.3 0.4 ");
  CHECK(texts(linear_axis("a shorter one", 0.03)) == "0.000 0.005 0.010 0.015 0.020 0.025 0.030 ");
  CHECK(texts(linear_axis("seconds", 3)) == "0.0 0.5 1.0 1.5 2.0 2.5 3.0 ");
  CHECK(linear_axis("per second", 9'999'999).ticks.back().text == "10 M");
  CHECK(linear_axis("per second", 7'900'000).ticks.back().text == "8,000,000");
  CHECK(texts(linear_axis("per second", 11'000'000)) == "0 M 2 M 4 M 6 M 8 M 10 M 12 M ");
  const Axis time = log_time_axis("latency", 4'000, 2'500'000);
  CHECK(time.low == doctest::Approx(1'000));
  CHECK(time.high == doctest::Approx(1e7));
  CHECK(texts(time) == "1 us 10 us 100 us 1 ms 10 ms ");
  // Within one decade a scale of decades alone would say nothing.
  CHECK(texts(log_time_axis("latency", 120'000'000, 700'000'000)) ==
        "100 ms 200 ms 500 ms 1 s ");
  CHECK(texts(log_time_axis("latency", 1'000, 1'000'000)).find("20 us 50 us 100 us") !=
        std::string::npos);
}

TEST_CASE("the plots of a run") {
  ReportKit kit;
  kit.report.rate = 100.0;
  for (const std::string& svg : {time_plot(kit.report), percentile_plot(kit.report)}) {
    CHECK(malformed(svg) == "");
    CHECK(holds(svg, kit.report.title));
  }
  CHECK(holds(time_plot(kit.report), "Throughput"));
  CHECK(holds(time_plot(kit.report), "deliveries"));
  CHECK(holds(time_plot(kit.report), "seconds of the measured phase"));
  CHECK(holds(time_plot(kit.report), "per second"));
  CHECK(holds(time_plot(kit.report), "latency (logarithmic)"));
  CHECK(holds(percentile_plot(kit.report), "delivery, uncorrected"));
  CHECK(holds(percentile_plot(kit.report), "99.9 %"));
}

TEST_CASE("the plots of a run that counted nothing") {
  ReportKit kit;
  const auto empty = std::make_unique<Tally>();
  empty->begin(1, 1);
  empty->end(2);
  kit.report.tally = empty.get();
  CHECK(malformed(time_plot(kit.report)) == "");
  CHECK(malformed(percentile_plot(kit.report)) == "");
}

}  // namespace
}  // namespace ims::bench

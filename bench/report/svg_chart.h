// Line charts as SVG text: panels below each other, each with its axes, lines and legend. Plain
// elements alone (rect, line, polyline, text), so every browser and converter shows the same.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ims::bench {

struct Tick {
  double at;
  std::string text;
};

struct Axis {
  std::string label;  // with the unit
  bool is_log = false;
  double low = 0;     // of a logarithmic axis above 0
  double high = 1;    // above low
  std::vector<Tick> ticks;
};

struct Line {
  std::string name;
  std::string colour;
  bool dashed = false;
  std::vector<std::pair<double, double>> points;  // what lies outside of the axes is cut to them
};

struct Panel {
  std::string title;
  Axis x;
  Axis y;
  std::vector<Line> lines;
};

// From 0 to a round number of at least `high`; ticks at steps of 1, 2 or 5, from 10 million on as
// "10 M".
Axis linear_axis(std::string label, double high);

// Whole decades of nanoseconds around low..high, ticks as "10 us"; of up to three decades also at 2
// and 5.
Axis log_time_axis(std::string label, double low_ns, double high_ns);

std::string svg_chart(const std::string& title, const std::string& subtitle,
                      std::span<const Panel> panels);

}  // namespace ims::bench

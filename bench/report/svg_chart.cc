// Drawing (svg_chart.h). Coordinates are pixels, y downwards.
#include "bench/report/svg_chart.h"

#include <algorithm>
#include <cmath>

#include "bench/report/figures.h"

namespace ims::bench {
namespace {

constexpr double kWidth = 960;
constexpr double kHeadHeight = 64;
constexpr double kPanelHeight = 360;
constexpr double kLeft = 96;      // room for the y axis
constexpr double kRight = 48;     // room for half of the last tick's text
constexpr double kTop = 56;       // of a panel: its title, the legend below
constexpr double kBottom = 56;    // of a panel: the x axis
constexpr double kTicksWanted = 6;
constexpr double kMillionsFrom = 10'000'000;  // above, "10 M": the text has the room of kLeft
constexpr double kDecadesWithSteps = 3;       // with ticks at 2 and 5 as well
constexpr double kLetterWidth = 7.4;  // about, of 13 px

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string number(double value) { return fixed(value, 1); }

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = {}) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(text) + "</text>\n";
}

std::string line_from(double x1, double y1, double x2, double y2, const std::string& colour,
                      const std::string& more = {}) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" stroke=\"" + colour + "\"" + more + "/>\n";
}

// Where a value lies between the ends of its axis, 0..1.
double share(const Axis& axis, double value) {
  const double cut = std::clamp(value, axis.low, axis.high);
  if (!axis.is_log) return (cut - axis.low) / (axis.high - axis.low);
  return std::log(cut / axis.low) / std::log(axis.high / axis.low);
}

std::string draw_panel(const Panel& panel, double top) {
  const double x0 = kLeft;
  const double x1 = kWidth - kRight;
  const double y0 = top + kPanelHeight - kBottom;
  const double y1 = top + kTop;
  const auto x_of = [&](double value) { return x0 + share(panel.x, value) * (x1 - x0); };
  const auto y_of = [&](double value) { return y0 - share(panel.y, value) * (y0 - y1); };
  std::string svg = text_at(x0, top + 22, "start", panel.title, " font-weight=\"bold\"");
  for (const Tick& tick : panel.x.ticks) {
    svg += line_from(x_of(tick.at), y0, x_of(tick.at), y1, "#e4e4e4");
    svg += text_at(x_of(tick.at), y0 + 18, "middle", tick.text);
  }
  for (const Tick& tick : panel.y.ticks) {
    svg += line_from(x0, y_of(tick.at), x1, y_of(tick.at), "#e4e4e4");
    svg += text_at(x0 - 8, y_of(tick.at) + 4, "end", tick.text);
  }
  svg += line_from(x0, y0, x1, y0, "#404040") + line_from(x0, y0, x0, y1, "#404040");
  svg += text_at((x0 + x1) / 2, y0 + 40, "middle", panel.x.label);
  const std::string at = number(22) + " " + number((y0 + y1) / 2);
  svg += text_at(22, (y0 + y1) / 2, "middle", panel.y.label,
                 " transform=\"rotate(-90 " + at + ")\"");
  double legend_x = x0;
  for (const Line& line : panel.lines) {
    const std::string dash = line.dashed ? " stroke-dasharray=\"6 4\"" : "";
    svg += line_from(legend_x, top + 38, legend_x + 24, top + 38, line.colour,
                     " stroke-width=\"3\"" + dash);
    svg += text_at(legend_x + 30, top + 42, "start", line.name);
    legend_x += 60 + kLetterWidth * static_cast<double>(line.name.size());
    if (line.points.empty()) continue;
    svg += "<polyline fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\" stroke=\"" +
           line.colour + "\"" + dash + " points=\"";
    for (const auto& [x, y] : line.points) svg += number(x_of(x)) + "," + number(y_of(y)) + " ";
    svg += "\"/>\n";
    if (line.points.size() == 1) {
      const auto& [x, y] = line.points.front();
      svg += "<circle r=\"3\" cx=\"" + number(x_of(x)) + "\" cy=\"" + number(y_of(y)) +
             "\" fill=\"" + line.colour + "\"/>\n";
    }
  }
  return svg;
}

}  // namespace

Axis linear_axis(std::string label, double high) {
  if (high <= 0) high = 1;
  const double decade = std::floor(std::log10(high / kTicksWanted));
  double step = std::pow(10.0, decade);
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (high / (step * factor) <= kTicksWanted) {
      step *= factor;
      break;
    }
  }
  Axis axis{.label = std::move(label), .is_log = false, .low = 0, .high = 0, .ticks = {}};
  const double count = std::ceil(high / step - 1e-9);
  axis.high = count * step;
  const int digits = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  const bool in_millions = axis.high >= kMillionsFrom;
  for (double i = 0; i <= count; ++i) {
    const double at = i * step;
    axis.ticks.push_back({at, digits != 0  ? fixed(at, digits)
                              : in_millions ? fixed(at / 1e6, step >= 1e6 ? 0 : 1) + " M"
                                            : with_commas(at)});
  }
  return axis;
}

Axis log_time_axis(std::string label, double low_ns, double high_ns) {
  const double low = std::floor(std::log10(std::max(low_ns, 1.0)));
  const double high = std::max(low + 1, std::ceil(std::log10(std::max(high_ns, 1.0))));
  Axis axis{.label = std::move(label), .is_log = true, .low = 0, .high = 0, .ticks = {}};
  axis.low = std::pow(10.0, low);
  axis.high = std::pow(10.0, high);
  constexpr const char* kUnits[] = {"ns", "us", "ms", "s"};
  for (double decade = low; decade <= high; ++decade) {
    const int thousands = std::min(3, static_cast<int>(decade) / 3);
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && (decade == high || high - low > kDecadesWithSteps)) break;
      const double shown = factor * std::pow(10.0, decade - 3 * thousands);
      axis.ticks.push_back(
          {factor * std::pow(10.0, decade), fixed(shown, 0) + " " + kUnits[thousands]});
    }
  }
  return axis;
}

std::string svg_chart(const std::string& title, const std::string& subtitle,
                      std::span<const Panel> panels) {
  const double height = kHeadHeight + kPanelHeight * static_cast<double>(panels.size());
  const std::string size = number(kWidth) + " " + number(height);
  std::string svg = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  svg += "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth) + "\" height=\"" +
         number(height) + "\" viewBox=\"0 0 " + size + "\" font-family=\"sans-serif\" "
         "font-size=\"13\">\n";
  svg += "<title>" + escaped(title) + "</title>\n";
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  svg += text_at(kLeft, 28, "start", title, " font-size=\"17\" font-weight=\"bold\"");
  svg += text_at(kLeft, 50, "start", subtitle, " fill=\"#606060\"");
  double top = kHeadHeight;
  for (const Panel& panel : panels) {
    svg += draw_panel(panel, top);
    top += kPanelHeight;
  }
  return svg + "</svg>\n";
}

}  // namespace ims::bench

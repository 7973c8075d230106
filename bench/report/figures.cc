// Rounding and units (figures.h).
#include "bench/report/figures.h"

#include <cmath>
#include <cstdio>

namespace ims::bench {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string with_commas(double value) {
  std::string text = fixed(std::abs(value), 0);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return value <= -0.5 ? "-" + text : text;
}

std::string format_time(double ns) {
  constexpr const char* kUnits[] = {"ns", "us", "ms", "s"};
  int unit = 0;
  while (unit < 3 && ns >= 999.5) {
    ns /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2;
  return fixed(ns, digits) + kUnits[unit];
}

}  // namespace ims::bench

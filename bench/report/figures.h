// Numbers as people read them.
#pragma once

#include <string>

namespace ims::bench {

// 1234567.4 is "1,234,567".
std::string with_commas(double value);

// Nanoseconds with the unit that fits and three digits: "950ns", "12.4us", "1.24s".
std::string format_time(double ns);

// A fixed number of digits behind the point, as printf's %.*f.
std::string fixed(double value, int digits);

}  // namespace ims::bench

// What the raw text of a JSON value means: strings compared without being copied, numbers as times.
// Each `raw` is that of a JsonValue that was parsed (json_scan.h); nothing is checked again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ims::logic {

// True when the string that `raw` spells is `plain`, byte for byte.
bool json_string_equals(std::string_view raw, std::string_view plain) noexcept;

// True when two raw strings spell the same bytes, however escaped.
bool json_strings_equal(std::string_view raw_a, std::string_view raw_b) noexcept;

// The longest time that is kept apart from "for ever": the end of the year 9999.
inline constexpr std::int64_t kNumericDateMsMax = 253'402'300'799'999;

// A number of seconds as milliseconds, exactly, but for the fraction of a
// millisecond, which is cut off. Clamped to +-kNumericDateMsMax.
std::int64_t numeric_date_ms(std::string_view raw) noexcept;

// `text` (UTF-8) as a JSON string with its quotes.
std::string json_quoted(std::string_view text);

}  // namespace ims::logic

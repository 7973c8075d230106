// What may be written in a string of the wire (PROTOCOL.md section 3). Pure functions of the bytes;
// ASCII, the common case, is decided without decoding. The lengths are limits.h's.
#pragma once

#include <string_view>

namespace ims {

// Well-formed UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
bool valid_utf8(std::string_view text) noexcept;

// org, appkey, user, device, group: 1 to 64 bytes of UTF-8 with no control character, no white
// space and none of / # * >. (An empty device is the default device: its caller's exception.)
bool valid_name(std::string_view name) noexcept;

// A group's name or a note: at most 256 bytes of UTF-8 without control characters; may be empty.
bool valid_label(std::string_view label) noexcept;

}  // namespace ims

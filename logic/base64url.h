// base64url without padding (RFC 7515 section 2), and nothing else: no '=', no white space, no '+'
// or '/', no length of 4n + 1, and the unused low bits of the last character zero. So each sequence
// of bytes has exactly one spelling.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ims::logic {

// The characters and the length could be base64url's; the unused bits are not looked at.
bool has_base64url_form(std::string_view text) noexcept;

// Bytes written to `out`; nothing where `text` breaks a rule above or `out` is too small.
std::optional<std::size_t> decode_base64url(std::string_view text, std::span<char> out) noexcept;

std::string encode_base64url(std::string_view bytes);

}  // namespace ims::logic

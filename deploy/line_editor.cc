// Keys, widths, what is visible (line_editor.h).
#include "deploy/line_editor.h"

#include <cstdint>
#include <utility>

#include "deploy/chat_text.h"

namespace ims {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};
// Unicode's East Asian Wide and Fullwidth, and emoji; then marks that take no column.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x4dbf},   {0x4e00, 0xa4cf},
    {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},
    {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
constexpr Range kNone[] = {
    {0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d},
    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

template <std::size_t kCount>
bool is_in(const Range (&ranges)[kCount], std::uint32_t code) {
  for (const Range& range : ranges) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

std::size_t columns_of(std::uint32_t code) {
  return is_in(kNone, code) ? 0 : is_in(kWide, code) ? 2 : 1;
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

// Where the last code point begins.
std::size_t last_begin(std::string_view text) {
  std::size_t at = text.size();
  while (at > 0) {
    --at;
    if (!is_continuation(text[at])) break;
  }
  return at;
}

}  // namespace

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [code, bytes] = next_code_point(text);
    width += bytes == 0 ? 1 : columns_of(code);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return width;
}

std::optional<std::string> LineEditor::feed(char byte) {
  if (escape_ == Escape::kBegun) {
    escape_ = byte == '[' || byte == 'O' ? Escape::kSequence : Escape::kNone;
    return std::nullopt;
  }
  if (escape_ == Escape::kSequence) {
    if (byte >= 0x40 && byte <= 0x7e) escape_ = Escape::kNone;
    return std::nullopt;
  }
  constexpr char kInterrupt = 3, kEnd = 4, kBackspace = 8, kEraseAll = 21, kEraseWord = 23,
                 kEscape = 27, kDelete = 127;
  switch (byte) {
    case '\r':
    case '\n': return std::exchange(text_, {});
    case kInterrupt: ended_ = true; break;
    case kEnd: ended_ = text_.empty(); break;
    case kBackspace:
    case kDelete: erase_character(); break;
    case kEraseAll: text_.clear(); break;
    case kEraseWord: erase_word(); break;
    case kEscape: escape_ = Escape::kBegun; break;
    case '\t': byte = ' '; [[fallthrough]];
    default:
      // Other control characters would move the cursor when they are echoed.
      if (static_cast<unsigned char>(byte) >= 0x20 && text_.size() < kTypedBytesMax) text_ += byte;
  }
  return std::nullopt;
}

// With the marks that combine with it.
void LineEditor::erase_character() {
  while (!text_.empty()) {
    const std::size_t begin = last_begin(text_);
    const bool has_columns = width_of(std::string_view(text_).substr(begin)) > 0;
    text_.erase(begin);
    if (has_columns) return;
  }
}

void LineEditor::erase_word() {
  while (!text_.empty() && text_.back() == ' ') text_.pop_back();
  while (!text_.empty() && text_.back() != ' ') text_.pop_back();
}

std::string LineEditor::visible(std::string_view prompt, std::size_t columns) const {
  std::size_t left = columns > width_of(prompt) ? columns - width_of(prompt) : 0;
  std::size_t begin = text_.size();
  while (begin > 0) {
    const std::size_t before = last_begin(std::string_view(text_).substr(0, begin));
    const std::size_t width = width_of(std::string_view(text_).substr(before, begin - before));
    if (width > left) break;
    left -= width;
    begin = before;
  }
  // A character of which bytes are still to come is not shown yet.
  std::string shown = text_.substr(begin);
  const std::size_t last = last_begin(shown);
  if (last < shown.size() && next_code_point(std::string_view(shown).substr(last)).second == 0) {
    shown.erase(last);
  }
  return std::string(prompt) + shown;
}

}  // namespace ims

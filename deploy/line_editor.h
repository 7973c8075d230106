// The line that is being typed: bytes of keys in, whole lines out, and what of it stands on the
// screen. Knows UTF-8 and that Chinese is two columns wide; no terminal, no input or output here.
//
//   Enter   the line       Backspace  the last character      ^W  the last word      ^U  all of it
//   ^C, ^D on an empty line  the end  arrows and other keys that are sequences: passed over
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ims {

inline constexpr std::size_t kTypedBytesMax = 64 * 1024;

class LineEditor {
 public:
  // One byte of input. A line without its newline when it is complete.
  std::optional<std::string> feed(char byte);
  bool ended() const noexcept { return ended_; }
  const std::string& text() const noexcept { return text_; }
  // Prompt and text cut to `columns`: the end of the text, where the cursor is.
  std::string visible(std::string_view prompt, std::size_t columns) const;

 private:
  void erase_character();
  void erase_word();

  std::string text_;
  bool ended_ = false;
  enum class Escape : char { kNone, kBegun, kSequence } escape_ = Escape::kNone;
};

// Columns that the text takes in a terminal.
std::size_t width_of(std::string_view text);

}  // namespace ims

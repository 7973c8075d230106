// Typing: lines, erasing by characters, widths, what is visible.
#include "deploy/line_editor.h"

#include <doctest/doctest.h>

#include <string>

namespace ims {
namespace {

std::string typed(LineEditor& editor, std::string_view keys) {
  std::string lines;
  for (const char key : keys) {
    if (const auto line = editor.feed(key)) lines += *line + "|";
  }
  return lines + editor.text();
}

TEST_CASE("keys") {
  struct Row {
    const char* rule;
    std::string_view keys;
    std::string_view result;
  };
  const Row rows[] = {
      {"a line", "hi\r", "hi|"},
      {"two lines and a half", "a\nb\nc", "a|b|c"},
      {"backspace", "ab\x7f", "a"},
      {"backspace on nothing", "\x7f" "a", "a"},
      {"backspace takes a whole character", "a\xe4\xbd\xa0\x7f", "a"},
      {"and its marks", "ae\xcc\x81\x7f", "a"},
      {"erase a word", "one two  \x17", "one "},
      {"erase all", "one two\x15", ""},
      {"an arrow", "a\x1b[Ab", "ab"},
      {"a sequence with numbers", "a\x1b[1;5Cb", "ab"},
      {"a bell", "a\x07" "b", "ab"},
      {"a tab", "a\tb", "a b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    LineEditor editor;
    CHECK(typed(editor, row.keys) == row.result);
    CHECK_FALSE(editor.ended());
  }
}

TEST_CASE("the end: ^D on an empty line alone, ^C always") {
  LineEditor editor;
  typed(editor, "a\x04");
  CHECK_FALSE(editor.ended());
  typed(editor, "\x7f\x04");
  CHECK(editor.ended());
  LineEditor other;
  typed(other, "a\x03");
  CHECK(other.ended());
}

TEST_CASE("at most kTypedBytesMax are kept") {
  LineEditor editor;
  typed(editor, std::string(kTypedBytesMax, 'x'));
  CHECK(editor.text().size() == kTypedBytesMax);
  editor.feed('y');
  CHECK(editor.text().size() == kTypedBytesMax);
}

TEST_CASE("widths") {
  CHECK(width_of("abc") == 3);
  CHECK(width_of("\xe4\xbd\xa0\xe5\xa5\xbd") == 4);
  CHECK(width_of("e\xcc\x81") == 1);
  CHECK(width_of("\xf0\x9f\x98\x80") == 2);
  CHECK(width_of("\xef\xbc\xa1") == 2);
  CHECK(width_of("\xc3\xa9") == 1);
}

TEST_CASE("visible: the end of the text, never half a character") {
  LineEditor editor;
  typed(editor, "abcdef");
  CHECK(editor.visible("> ", 8) == "> abcdef");
  CHECK(editor.visible("> ", 7) == "> bcdef");
  CHECK(editor.visible("> ", 1) == "> ");
  LineEditor wide;
  typed(wide, "a\xe4\xbd\xa0\xe5\xa5\xbd");
  CHECK(wide.visible("", 5) == "a\xe4\xbd\xa0\xe5\xa5\xbd");
  CHECK(wide.visible("", 4) == "\xe4\xbd\xa0\xe5\xa5\xbd");
  CHECK(wide.visible("", 3) == "\xe5\xa5\xbd");
  typed(wide, "\xe4\xbd");
  CHECK(wide.visible("", 9) == "a\xe4\xbd\xa0\xe5\xa5\xbd");
}

}  // namespace
}  // namespace ims

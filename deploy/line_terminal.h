// Standard input and output of a chat. On a terminal the line that is being typed stays below
// what scrolls by, whole, however much arrives; on a pipe lines come and text goes as they are.
//
// Ownership  Changes the terminal's mode, and puts it back at the end of its life.
// Errors     OperatorError where no text can be written.
#pragma once

#include <termios.h>

#include <functional>
#include <string>
#include <string_view>

#include "deploy/line_editor.h"

namespace ims {

class LineTerminal {
 public:
  LineTerminal();
  ~LineTerminal();
  LineTerminal(const LineTerminal&) = delete;
  LineTerminal& operator=(const LineTerminal&) = delete;

  void print(std::string_view text);  // whole lines
  void set_prompt(std::string prompt);
  void refresh();  // after a change of its width; to be called now and then
  // What is there to read; each line is taken without its newline. False: the input has ended.
  bool read(const std::function<void(std::string_view line)>& take);

 private:
  bool read_keys(std::string_view keys, const std::function<void(std::string_view)>& take);
  bool read_lines(std::string_view bytes, const std::function<void(std::string_view)>& take);
  void draw();
  std::string cleared() const;  // what removes the line that is being typed
  std::string drawn();          // and what draws it
  void write_all(std::string_view text);

  bool on_terminal_ = false;
  termios before_{};
  LineEditor editor_;
  std::string prompt_;
  std::size_t drawn_width_ = 0;  // of the line that is being typed, as it was drawn last
  std::size_t drawn_for_ = 0;    // columns that the terminal had then
  std::string input_;      // on a pipe: an incomplete line
  bool too_long_ = false;  // on a pipe: the rest of a line is passed over
};

}  // namespace ims

// The terminal's mode, drawing, reading (line_terminal.h).
#include "deploy/line_terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "deploy/operator_line.h"

namespace ims {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";

std::size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
  return size.ws_col - 1u;  // the cursor's column stays on the line
}

}  // namespace

LineTerminal::LineTerminal() {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
  if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios mode = before_;
  mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  mode.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IXON);
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  on_terminal_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) == 0;
}

LineTerminal::~LineTerminal() {
  if (!on_terminal_) return;
  [[maybe_unused]] const ssize_t written =
      write(STDOUT_FILENO, kClearLine.data(), kClearLine.size());
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void LineTerminal::print(std::string_view text) {
  if (text.empty()) return;
  if (!on_terminal_) return write_all(text);
  const std::string clear = cleared();
  write_all(clear + std::string(text) + drawn());
}

void LineTerminal::set_prompt(std::string prompt) {
  if (prompt == prompt_) return;
  prompt_ = std::move(prompt);
  draw();
}

void LineTerminal::refresh() {
  if (terminal_columns() != drawn_for_) draw();
}

void LineTerminal::draw() {
  if (!on_terminal_) return;
  const std::string clear = cleared();
  write_all(clear + drawn());
}

// A terminal that became narrower has wrapped the line: its rows above the cursor go too.
std::string LineTerminal::cleared() const {
  const std::size_t rows = drawn_width_ / (terminal_columns() + 1);
  if (rows == 0) return std::string(kClearLine);
  return "\x1b[" + std::to_string(rows) + "A\r\x1b[J";
}

std::string LineTerminal::drawn() {
  drawn_for_ = terminal_columns();
  std::string line = editor_.visible(prompt_, drawn_for_);
  drawn_width_ = width_of(line);
  return line;
}

bool LineTerminal::read(const std::function<void(std::string_view)>& take) {
  char room[4096];
  const ssize_t got = ::read(STDIN_FILENO, room, sizeof room);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  const std::string_view bytes(room, got > 0 ? static_cast<std::size_t>(got) : 0);
  if (on_terminal_) return read_keys(bytes, take) && got > 0;
  if (got > 0) return read_lines(bytes, take);
  if (!input_.empty()) read_lines("\n", take);
  return false;
}

bool LineTerminal::read_keys(std::string_view keys,
                             const std::function<void(std::string_view)>& take) {
  for (const char key : keys) {
    if (const auto line = editor_.feed(key)) {
      // What was typed stays on the screen, above all that comes.
      write_all(cleared() + prompt_ + *line + "\n");
      drawn_width_ = 0;
      take(*line);
    }
    if (editor_.ended()) return false;
  }
  draw();
  return true;
}

bool LineTerminal::read_lines(std::string_view bytes,
                              const std::function<void(std::string_view)>& take) {
  input_.append(bytes);
  std::size_t begin = 0;
  for (std::size_t end; (end = input_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (!std::exchange(too_long_, false)) {
      take(std::string_view(input_).substr(begin, end - begin));
    }
  }
  input_.erase(0, begin);
  if (input_.size() > kTypedBytesMax) {
    if (!too_long_) print("! a line has at most 65536 bytes; this one is not sent\n");
    input_.clear();
    too_long_ = true;
  }
  return true;
}

void LineTerminal::write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw OperatorError("the terminal takes no text");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace ims

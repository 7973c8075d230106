// Log lines: their form, what is escaped and cut, the bucket of a call site, one write per line.
#include "shared/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "shared/limits.h"

namespace ims {
namespace {

constexpr std::int64_t kWallMs = 1'700'000'000'123;  // 2023-11-14T22:13:20.123Z
const std::string kStamp = "2023-11-14T22:13:20.123Z";

TEST_CASE("a line") {
  CHECK(format_log_line(kWallMs, LogLevel::kWarn, "accept_failed",
                        {{"errno", 24}, {"gateway", 0u}, {"io", "uring"}, {"pinned", true}}, 0) ==
        kStamp + " warn accept_failed errno=24 gateway=0 io=uring pinned=true");
  CHECK(format_log_line(kWallMs, LogLevel::kInfo, "ready", {}, 0) == kStamp + " info ready");
  CHECK(format_log_line(kWallMs, LogLevel::kError, "x", {{"k", "v"}}, 17) ==
        kStamp + " error x suppressed=17 k=v");
  CHECK(format_log_line(0, LogLevel::kDebug, "x", {}, 0) == "1970-01-01T00:00:00.000Z debug x");
}

TEST_CASE("values are escaped") {
  struct Row {
    const char* rule;
    std::string value;
    std::string text;
  };
  const Row rows[] = {
      {"a plain word", "abc/1.2:3", "abc/1.2:3"},
      {"empty", "", "\"\""},
      {"a blank", "a b", "\"a b\""},
      {"a second field is not faked", "x level=error", "\"x level=error\""},
      {"a quote", "a\"b", "\"a\\\"b\""},
      {"a backslash", "a\\b", "\"a\\\\b\""},
      {"a line is not broken", "a\nb", "\"a\\x0ab\""},
      {"a terminal is not driven", "\x1b[2J", "\"\\x1b[2J\""},
      {"NUL", std::string("a\0b", 3), "\"a\\x00b\""},
      {"DEL", "\x7f", "\"\\x7f\""},
      {"C1 in UTF-8", "\xc2\x9b" "2J", "\"\\xc2\\x9b2J\""},
      {"UTF-8 stays", "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(format_log_line(kWallMs, LogLevel::kInfo, "e", {{"k", row.value}}, 0) ==
          kStamp + " info e k=" + row.text);
  }
}

TEST_CASE("values and lines are cut at their limits") {
  const auto value_of = [](std::size_t bytes) {
    return format_log_line(kWallMs, LogLevel::kInfo, "e", {{"k", std::string(bytes, 'x')}}, 0);
  };
  const std::string head = kStamp + " info e k=";
  CHECK(value_of(kLogValueBytesMax - 1) == head + std::string(kLogValueBytesMax - 1, 'x'));
  CHECK(value_of(kLogValueBytesMax) == head + std::string(kLogValueBytesMax, 'x'));
  CHECK(value_of(kLogValueBytesMax + 1) ==
        head + "\"" + std::string(kLogValueBytesMax, 'x') + "...\"");

  // Not within a UTF-8 sequence: 255 bytes and a two-byte letter.
  const std::string letters = std::string(kLogValueBytesMax - 1, 'x') + "\xc3\xa9";
  CHECK(format_log_line(kWallMs, LogLevel::kInfo, "e", {{"k", letters}}, 0) ==
        head + "\"" + std::string(kLogValueBytesMax - 1, 'x') + "...\"");

  const std::string wide(kLogValueBytesMax, '\n');  // four bytes each when escaped
  const std::string line =
      format_log_line(kWallMs, LogLevel::kInfo, "e", {{"a", wide}, {"b", wide}}, 0);
  CHECK(line.size() == kLogLineBytesMax);
  CHECK(line.ends_with("..."));
}

TEST_CASE("a call site writes a burst, then one line a second") {
  LogSite site;
  std::uint64_t suppressed = 99;
  const std::uint64_t start_ms = 1000;
  for (std::uint32_t i = 0; i < kLogBurst; ++i) {
    CAPTURE(i);
    CHECK(take_log_token(site, start_ms, suppressed));
    CHECK(suppressed == 0);
  }
  for (int i = 0; i < 5; ++i) CHECK_FALSE(take_log_token(site, start_ms + 999, suppressed));
  CHECK(take_log_token(site, start_ms + 1000, suppressed));
  CHECK(suppressed == 5);
  CHECK_FALSE(take_log_token(site, start_ms + 1000, suppressed));

  // A long silence fills the bucket again, not more.
  const std::uint64_t later_ms = start_ms + 3'600'000;
  for (std::uint32_t i = 0; i < kLogBurst; ++i) {
    CHECK(take_log_token(site, later_ms, suppressed));
  }
  CHECK_FALSE(take_log_token(site, later_ms, suppressed));
  // A clock that stands still or goes back gives nothing.
  CHECK_FALSE(take_log_token(site, start_ms, suppressed));

  // Nor is more saved up than a burst by a site that speaks seldom.
  LogSite seldom;
  CHECK(take_log_token(seldom, start_ms, suppressed));
  std::uint32_t lines = 0;
  while (take_log_token(seldom, later_ms, suppressed)) ++lines;
  CHECK(lines == kLogBurst);
}

class Pipe {
 public:
  Pipe() {
    REQUIRE(pipe(fds_) == 0);
    set_log_fd(fds_[1]);
  }
  ~Pipe() {
    set_log_fd(STDERR_FILENO);
    close(fds_[0]);
    close(fds_[1]);
  }
  std::string read_all() {
    std::string text(1 << 16, '\0');
    fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    const ssize_t got = read(fds_[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }

 private:
  int fds_[2] = {-1, -1};
};

TEST_CASE("levels: what is off is not evaluated") {
  Pipe pipe;
  int evaluated = 0;
  set_log_level(LogLevel::kWarn);
  IMS_LOG(kInfo, "quiet", {{"n", ++evaluated}});
  IMS_LOG(kWarn, "loud", {{"n", ++evaluated}});
  IMS_LOG(kError, "bare");
  set_log_level(LogLevel::kInfo);
  const std::string text = pipe.read_all();
  CHECK(evaluated == 1);
  CHECK(text.find("quiet") == std::string::npos);
  CHECK(text.find(" warn loud n=1\n") != std::string::npos);
  CHECK(text.find(" error bare\n") != std::string::npos);
}

TEST_CASE("lines of several threads stay whole, and none beyond the rate is written") {
  Pipe pipe;
  constexpr int kThreads = 4;
  constexpr int kLinesEach = 1000;
  std::vector<std::thread> threads;
  LogSite site;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&site] {
      for (int i = 0; i < kLinesEach; ++i) {
        log_event(site, LogLevel::kInfo, "crowd", {{"value", "0123456789"}});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = pipe.read_all();
  std::uint32_t lines = 0;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    CAPTURE(line);
    CHECK(line.starts_with("20"));
    CHECK(line.ends_with(" value=0123456789"));
    CHECK(line.find(" info crowd ") != std::string::npos);
    ++lines;
  }
  CHECK(begin == text.size());
  CHECK(lines >= kLogBurst);
  CHECK(lines < kLogBurst + 60);  // one a second more, however slow the machine
}

}  // namespace
}  // namespace ims

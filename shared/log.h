// Logging: one line per event on standard error, `time level event key=value ...`.
//
//   IMS_LOG(kWarn, "accept_failed", {{"errno", err}, {"gateway", index}});
//   2026-11-21T10:00:00.123Z warn accept_failed errno=24 gateway=0 suppressed=17
//
// Threads:  any; a line is built on the stack and leaves in one write(2), so lines never mix
// Limits:   kLogLineBytesMax a line, kLogValueBytesMax a value; longer ones are cut, marked "..."
// Rate:     per call site kLogBurst lines at once, then kLogPerSecond; what was held back is
//           counted and named in the site's next line as suppressed=N
// Escaping: a value with a space, quote, '=' or control character is quoted, \xNN inside: what a
//           client sent can neither break a line nor fake one
// The hot path does not log; it counts (shared/counters.h). A write that fails is dropped.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace ims {

enum class LogLevel : std::uint8_t { kError = 0, kWarn = 1, kInfo = 2, kDebug = 3 };

// A value as text: views are borrowed for the call, numbers are formatted here.
class LogValue {
 public:
  LogValue(std::string_view text) noexcept : text_(text) {}
  LogValue(const char* text) noexcept : text_(text) {}
  LogValue(const std::string& text) noexcept : text_(text) {}
  template <typename T>
    requires std::is_arithmetic_v<T>
  LogValue(T number) : storage_(number_text(number)), text_() {}

  std::string_view text() const noexcept { return storage_.empty() ? text_ : storage_; }

 private:
  template <typename T>
  static std::string number_text(T number) {
    if constexpr (std::is_same_v<T, bool>) {
      return number ? "true" : "false";
    } else {
      return std::to_string(number);
    }
  }

  std::string storage_;
  std::string_view text_;
};

struct LogField {
  std::string_view key;
  LogValue value;
};

// One per call site, static. Its two words are atomics in log.cc's hands: threads share a site.
struct LogSite {
  std::uint64_t credit = 0;      // tokens in thousandths in the low half, last refill above
  std::uint64_t suppressed = 0;  // lines held back since the last one written
};

// Lines above this level are not written. Set once at start, before the threads.
void set_log_level(LogLevel level) noexcept;
bool log_enabled(LogLevel level) noexcept;

void log_event(LogSite& site, LogLevel level, std::string_view event,
               std::initializer_list<LogField> fields = {}) noexcept;

// Where lines go: 2 by default. Tests give a pipe.
void set_log_fd(int fd) noexcept;

// The pure parts, for tests: a line without its newline, and the bucket.
std::string format_log_line(std::int64_t wall_ms, LogLevel level, std::string_view event,
                            std::initializer_list<LogField> fields, std::uint64_t suppressed);
// True if the site may write a line now; `suppressed` is then what it held back before.
bool take_log_token(LogSite& site, std::uint64_t mono_ms, std::uint64_t& suppressed) noexcept;

}  // namespace ims

// `level` is an enumerator of LogLevel without its scope; the fields are evaluated only if the
// level is on.
#define IMS_LOG(level, event, ...)                                        \
  do {                                                                    \
    if (::ims::log_enabled(::ims::LogLevel::level)) {                     \
      static ::ims::LogSite ims_log_site;                                 \
      ::ims::log_event(ims_log_site, ::ims::LogLevel::level,              \
                       event __VA_OPT__(, ) __VA_ARGS__);                 \
    }                                                                     \
  } while (false)

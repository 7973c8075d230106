// Log lines: built on the stack side, escaped, written whole.
#include "shared/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <iterator>

#include "shared/clock.h"
#include "shared/limits.h"

namespace ims {
namespace {

// Relaxed: read alone, they order nothing.
std::atomic<std::uint8_t> g_level{static_cast<std::uint8_t>(LogLevel::kInfo)};
std::atomic<int> g_fd{STDERR_FILENO};

constexpr std::string_view kLevelNames[] = {"error", "warn", "info", "debug"};
constexpr std::string_view kCutMark = "...";

// credit = last refill in ms, 44 bits | thousandths of a token, 20 bits.
constexpr std::uint64_t kTokenBits = 20;
constexpr std::uint64_t kToken = 1000;
constexpr std::uint64_t kTokensMax = kLogBurst * kToken;
static_assert(kTokensMax < (1u << kTokenBits));
static_assert(kLogPerSecond * 1000 == kToken, "a ms refills one thousandth");

bool is_plain(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f && c != '"' && c != '=' && c != '\\';
}

// Bytes from 0x80 stay as they are: UTF-8 is readable, and no terminal acts on it below C1, which
// is escaped as the two bytes that it is in UTF-8.
void append_escaped(fmt::memory_buffer& line, std::string_view text) {
  const auto out = std::back_inserter(line);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (is_c1) {
      fmt::format_to(out, "\\xc2\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(out, "\\x{:02x}", byte);
    } else {
      if (text[i] == '"' || text[i] == '\\') line.push_back('\\');
      line.push_back(text[i]);
    }
  }
}

// At most `bytes` of the text, not ending within a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t bytes) noexcept {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

void append_value(fmt::memory_buffer& line, std::string_view text) {
  const std::string_view kept = cut(text, kLogValueBytesMax);
  const bool is_cut = kept.size() < text.size();
  const bool is_c1_free = text.find('\xc2') == std::string_view::npos;
  if (!kept.empty() && !is_cut && is_c1_free && std::ranges::all_of(kept, is_plain)) {
    line.append(kept);
    return;
  }
  line.push_back('"');
  append_escaped(line, kept);
  if (is_cut) line.append(kCutMark);
  line.push_back('"');
}

}  // namespace

void set_log_level(LogLevel level) noexcept {
  g_level.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) noexcept {
  return static_cast<std::uint8_t>(level) <= g_level.load(std::memory_order_relaxed);
}

void set_log_fd(int fd) noexcept { g_fd.store(fd, std::memory_order_relaxed); }

std::string format_log_line(std::int64_t wall_ms, LogLevel level, std::string_view event,
                            std::initializer_list<LogField> fields, std::uint64_t suppressed) {
  fmt::memory_buffer line;
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {} {}",
                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                 utc.tm_sec, wall_ms % 1000, kLevelNames[static_cast<std::size_t>(level)], event);
  // Before the fields: a cut line still says what is missing before it.
  if (suppressed != 0) fmt::format_to(std::back_inserter(line), " suppressed={}", suppressed);
  for (const LogField& field : fields) {
    line.push_back(' ');
    line.append(field.key);
    line.push_back('=');
    append_value(line, field.value.text());
  }
  std::string_view text(line.data(), line.size());
  if (text.size() <= kLogLineBytesMax) return std::string(text);
  return std::string(cut(text, kLogLineBytesMax - kCutMark.size())).append(kCutMark);
}

bool take_log_token(LogSite& site, std::uint64_t mono_ms, std::uint64_t& suppressed) noexcept {
  const std::atomic_ref<std::uint64_t> credit(site.credit);
  const std::atomic_ref<std::uint64_t> held_back(site.suppressed);
  // Relaxed throughout: the two words protect nothing but themselves.
  std::uint64_t old = credit.load(std::memory_order_relaxed);
  while (true) {
    std::uint64_t tokens = old & ((1u << kTokenBits) - 1);
    const std::uint64_t last_ms = old >> kTokenBits;
    if (old == 0) {
      tokens = kTokensMax;  // a site's first line
    } else if (mono_ms > last_ms) {
      tokens = std::min(kTokensMax, tokens + std::min(mono_ms - last_ms, kTokensMax));
    }
    if (tokens < kToken) {
      held_back.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    // At least 1, so that a used bucket is never taken for a new one.
    const std::uint64_t now_ms = std::max({mono_ms, last_ms, std::uint64_t{1}});
    const std::uint64_t next = (now_ms << kTokenBits) | (tokens - kToken);
    if (credit.compare_exchange_weak(old, next, std::memory_order_relaxed)) break;
  }
  suppressed = held_back.exchange(0, std::memory_order_relaxed);
  return true;
}

void log_event(LogSite& site, LogLevel level, std::string_view event,
               std::initializer_list<LogField> fields) noexcept {
  try {
    const Now now = read_clock();
    std::uint64_t suppressed = 0;
    if (!take_log_token(site, static_cast<std::uint64_t>(now.mono_ms), suppressed)) return;
    std::string line = format_log_line(now.wall_ms, level, event, fields, suppressed);
    line += '\n';
    // One write, so that lines of several threads do not mix; nobody is left to tell of a failure.
    const ssize_t written = write(g_fd.load(std::memory_order_relaxed), line.data(), line.size());
    static_cast<void>(written);
  } catch (...) {
    // Out of memory for a log line: the line is lost, the server is not.
  }
}

}  // namespace ims

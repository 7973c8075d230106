// Opening, and text of numbers and tables (live_counters.h).
#include "deploy/live_counters.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "deploy/operator_line.h"

namespace ims {
namespace {

// Two or three digits: 4.1, 15, 812.
std::string short_number(double number) {
  return number < 9.95 ? fmt::format("{:.1f}", number) : fmt::format("{:.0f}", number);
}

}  // namespace

bool is_running(const CounterFile& file) {
  return kill(static_cast<pid_t>(file.pid()), 0) == 0 || errno != ESRCH;
}

CounterFile open_live_counters(const DataDir& data, bool must_run) {
  try {
    CounterFile file = CounterFile::open(data.counters());
    if (is_running(file)) return file;
    if (must_run) throw OperatorError("no server runs here; its counters stand still");
    std::fprintf(stderr, "imsctl: no server runs here; these are the last one's counters\n");
    return file;
  } catch (const OperatorError&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw OperatorError(error.what());
  }
}

void check_kind(const CounterFile& file, const std::string& kind) {
  const std::vector<std::string> kinds = file.trace_kinds();
  if (kind.empty() || std::ranges::find(kinds, kind) != kinds.end()) return;
  std::string sentence = "--kind is one of";
  for (const std::string& known : kinds) sentence += " " + known;
  throw OperatorError(sentence, kExitUsage);
}

std::string duration_text(std::uint64_t ns) {
  const auto amount = static_cast<double>(ns);
  if (ns < 1000) return fmt::format("{} ns", ns);
  if (amount < 999.5e3) return short_number(amount / 1e3) + " us";
  if (amount < 999.5e6) return short_number(amount / 1e6) + " ms";
  return short_number(amount / 1e9) + " s";
}

std::string amount_text(double amount) {
  if (amount < 99.95) {
    return amount == static_cast<double>(static_cast<std::int64_t>(amount))
               ? fmt::format("{:.0f}", amount)
               : short_number(amount);
  }
  if (amount < 999.5) return fmt::format("{:.0f}", amount);
  if (amount < 999.5e3) return short_number(amount / 1e3) + "k";
  if (amount < 999.5e6) return short_number(amount / 1e6) + "M";
  return short_number(amount / 1e9) + "G";
}

std::string table_text(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths;
  for (const TableRow& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? fmt::format("{:<{}}", row[i], widths[i])
                     : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

void print_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace ims

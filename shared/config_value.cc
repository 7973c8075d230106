// Values of configuration keys: text to number and back.
#include "shared/config_value.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace ims {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// Largest first: format_number() takes the first that divides.
constexpr Unit kByteUnits[] = {{"TiB", kGiB * 1024}, {"GiB", kGiB}, {"MiB", kMiB}, {"KiB", kKiB}};
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

std::span<const Unit> units_of(KeyKind kind) {
  if (kind == KeyKind::kBytes) return kByteUnits;
  if (kind == KeyKind::kDuration) return kDurationUnits;
  return {};
}

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> list;
  while (true) {
    const std::size_t bar = words.find('|');
    list.push_back(words.substr(0, bar));
    if (bar == std::string_view::npos) return list;
    words.remove_prefix(bar + 1);
  }
}

std::string_view example_of(KeyKind kind) {
  if (kind == KeyKind::kBytes) return "a size such as 65536, 64KiB or 1MiB";
  if (kind == KeyKind::kDuration) {
    return "a duration such as 500ms, 5s, 10m, 1h, 7d or whole seconds";
  }
  return "a whole number";
}

std::optional<std::uint64_t> parse_bool(std::string_view text) {
  if (text == "true" || text == "1") return 1;
  if (text == "false" || text == "0") return 0;
  return std::nullopt;
}

void set_number(const ConfigKey& key, std::string_view text, Config& config,
                std::string_view place) {
  const auto value = parse_number(key.kind, text);
  if (!value) {
    throw ConfigError(fmt::format("{}: {} is not {}", place, quote(text), example_of(key.kind)));
  }
  const bool is_zero_word = *value == 0 && !key.zero.empty();
  if (!is_zero_word && (*value < key.min || *value > key.max)) {
    throw ConfigError(fmt::format("{}: {} is out of range, allowed is {}", place, quote(text),
                                  format_range(key)));
  }
  key.set(config, *value);
}

}  // namespace

std::optional<std::uint64_t> parse_number(KeyKind kind, std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) number = std::numeric_limits<std::uint64_t>::max();

  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  std::uint64_t factor = 1;
  if (suffix.empty()) {
    factor = kind == KeyKind::kDuration ? 1000 : 1;
  } else {
    const auto units = units_of(kind);
    const auto unit = std::ranges::find(units, suffix, &Unit::suffix);
    if (unit == units.end()) return std::nullopt;
    factor = unit->factor;
  }
  if (number > std::numeric_limits<std::uint64_t>::max() / factor) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return number * factor;
}

std::string format_number(KeyKind kind, std::uint64_t value) {
  if (value == 0) return "0";
  for (const Unit& unit : units_of(kind)) {
    if (value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.suffix);
  }
  return fmt::format("{}", value);
}

std::string format_range(const ConfigKey& key) {
  if (key.kind == KeyKind::kBool) return "true or false";
  if (key.kind == KeyKind::kChoice) {
    const auto words = split_words(key.words);
    std::string text(words.front());
    for (std::size_t i = 1; i < words.size(); ++i) {
      text += i + 1 == words.size() ? " or " : ", ";
      text += words[i];
    }
    return text;
  }
  if (!key.takes_number()) return {};
  std::string text = fmt::format("{} to {}", format_number(key.kind, key.min),
                                 format_number(key.kind, key.max));
  if (!key.zero.empty()) text += fmt::format(", or 0: {}", key.zero);
  return text;
}

std::string value_text(const ConfigKey& key, const Config& config) {
  if (key.text != nullptr) return config.*key.text;
  const std::uint64_t value = key.get(config);
  if (key.kind == KeyKind::kBool) return value != 0 ? "true" : "false";
  if (key.kind == KeyKind::kChoice) return std::string(split_words(key.words).at(value));
  return format_number(key.kind, value);
}

void set_from_text(const ConfigKey& key, std::string_view text, Config& config,
                   std::string_view place) {
  if (text.empty() && !key.may_be_empty()) {
    throw ConfigError(fmt::format("{}: the value is empty", place));
  }
  if (key.takes_number()) return set_number(key, text, config, place);

  switch (key.kind) {
    case KeyKind::kBool: {
      const auto value = parse_bool(text);
      if (!value) {
        throw ConfigError(fmt::format("{}: {} is not true or false", place, quote(text)));
      }
      return key.set(config, *value);
    }
    case KeyKind::kChoice: {
      const auto words = split_words(key.words);
      const auto word = std::ranges::find(words, text);
      if (word == words.end()) {
        throw ConfigError(
            fmt::format("{}: {} is not {}", place, quote(text), format_range(key)));
      }
      return key.set(config, static_cast<std::uint64_t>(word - words.begin()));
    }
    case KeyKind::kAddress:
      if (!parse_listen_address(text)) {
        throw ConfigError(fmt::format("{}: {} is not ADDR:PORT with a numeric IPv4 address or an "
                                      "IPv6 address in brackets, as 127.0.0.1:7000 or [::]:7000",
                                      place, quote(text)));
      }
      break;
    default:
      if (text.find('\0') != std::string_view::npos) {
        throw ConfigError(fmt::format("{}: the value holds a NUL byte", place));
      }
      break;
  }
  config.*key.text = std::string(text);
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [rest, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc{} || rest != end) return std::nullopt;

  std::string host(text.substr(0, colon));
  ListenAddress address;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
    return address;
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return std::nullopt;
  std::memcpy(&address.storage, &v4, sizeof v4);
  address.size = sizeof v4;
  return address;
}

std::string format_listen_address(const ListenAddress& address) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address.storage, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return fmt::format("[{}]:{}", host, ntohs(v6.sin6_port));
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &address.storage, sizeof v4);
  inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  return fmt::format("{}:{}", host, ntohs(v4.sin_port));
}

std::string_view nearest_word(std::string_view word, const std::vector<std::string>& words) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  const auto equal = [&lower](char a, char b) { return lower(a) == lower(b); };
  std::string_view best;
  std::size_t best_edits = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : words) {
    // Rows of the edit table: above[j] and row[j] turn word[0..i) into candidate[0..j).
    std::vector<std::size_t> before(candidate.size() + 1);
    std::vector<std::size_t> above(candidate.size() + 1);
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::swap(before, above);
      std::swap(above, row);
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const bool same = equal(word[i - 1], candidate[j - 1]);
        row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0u : 1u)});
        if (i > 1 && j > 1 && equal(word[i - 1], candidate[j - 2]) &&
            equal(word[i - 2], candidate[j - 1])) {
          row[j] = std::min(row[j], before[j - 2] + 1);
        }
      }
    }
    if (row.back() < best_edits) {
      best_edits = row.back();
      best = candidate;
    }
  }
  return best;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kQuotedBytesMax = 80;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kQuotedBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  if (text.size() > kQuotedBytesMax) quoted += "...";
  return quoted + "\"";
}

}  // namespace ims

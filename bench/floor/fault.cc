// The text of a fault (fault.h).
#include "bench/floor/fault.h"

#include <charconv>
#include <utility>

namespace ims::bench {

std::optional<Fault> parse_fault(std::string_view text) {
  constexpr std::pair<std::string_view, Fault::Kind> kKinds[] = {
      {"drop", Fault::Kind::kDrop},       {"dup", Fault::Kind::kDup},
      {"reorder", Fault::Kind::kReorder}, {"corrupt", Fault::Kind::kCorrupt},
      {"noack", Fault::Kind::kNoAck},     {"stray", Fault::Kind::kStray}};
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view number = text.substr(equals + 1);
  Fault fault;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), fault.every);
  if (error != std::errc() || end != number.data() + number.size() || fault.every == 0) {
    return std::nullopt;
  }
  for (const auto& [name, kind] : kKinds) {
    if (name != text.substr(0, equals)) continue;
    fault.kind = kind;
    return fault;
  }
  return std::nullopt;
}

}  // namespace ims::bench

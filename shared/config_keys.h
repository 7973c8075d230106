// The table of configuration keys: each described once. Flags, environment, TOML, help, the shipped
// deploy/imsd.toml and the tests are made from it. Used by the config_*.cc files and their tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shared/config.h"

namespace ims {

enum class KeyKind : std::uint8_t {
  kCount,     // a whole number
  kBytes,     // a size: bytes, or a number with KiB, MiB, GiB, TiB
  kDuration,  // milliseconds inside; seconds, or a number with ms, s, m, h, d
  kBool,      // true or false
  kChoice,    // one of `words`; the number is the index
  kText,      // any text
  kAddress,   // ADDR:PORT
};

struct ConfigKey {
  std::string_view name;
  std::string_view section;  // of the template and the help
  KeyKind kind = KeyKind::kCount;
  std::uint64_t min = 0;  // kCount, kBytes, kDuration (in ms)
  std::uint64_t max = 0;
  std::string_view zero;   // what 0 means, where 0 is allowed below `min`; else empty
  std::string_view words;  // kChoice: "auto|uring|epoll"
  std::string_view help;   // one sentence, without the range

  // All kinds but kText and kAddress.
  void (*set)(Config&, std::uint64_t) = nullptr;
  std::uint64_t (*get)(const Config&) = nullptr;
  // kText and kAddress.
  std::string Config::*text = nullptr;

  bool takes_number() const noexcept {
    return kind == KeyKind::kCount || kind == KeyKind::kBytes || kind == KeyKind::kDuration;
  }
  bool may_be_empty() const noexcept { return kind == KeyKind::kText && min == 0; }
};

std::span<const ConfigKey> config_keys();
const ConfigKey* find_key(std::string_view name);

// What is no key but a flag: asks for an Action, or names the file.
struct ActionFlag {
  std::string_view flag;
  Action action;
  std::string_view help;
};
std::span<const ActionFlag> action_flags();

std::string flag_of(std::string_view key);         // max_inflight -> --max-inflight
std::string environment_of(std::string_view key);  // max_inflight -> IMS_MAX_INFLIGHT

}  // namespace ims

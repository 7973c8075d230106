// A strict look into one small JSON object, for the two objects of a JWT: which members it has at
// its first level, and of what type. Nothing is copied or allocated.
//
// Strictness  RFC 8259 to the letter: UTF-8 throughout, escapes and surrogate pairs whole, no
//             control characters, no leading zeros, nothing but white space around the object.
//             Beyond it: no member of the first level twice (compared unescaped), because two
//             readers of the same token would take different ones; the limits below.
// Lifetime    A JsonObject holds views into the text that it was parsed from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ims::logic {

inline constexpr std::size_t kJsonMembersMax = 64;  // of the first level
inline constexpr unsigned kJsonDepthMax = 16;       // the object itself is level 1

enum class JsonKind : std::uint8_t { kString, kNumber, kObject, kArray, kBool, kNull };

struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  std::string_view raw;  // a string: what stands between its quotes, escapes and all
};

enum class JsonStatus : std::uint8_t {
  kOk,
  kSyntax,     // no JSON object, or not in UTF-8; there are no members then
  kDuplicate,  // a JSON object that has a member twice
  kTooLarge,   // too many members or levels; there are no members then
};

class JsonObject {
 public:
  [[nodiscard]] JsonStatus parse(std::string_view text) noexcept;

  const JsonValue* find(std::string_view name) const noexcept;  // the first of that name, or null
  std::size_t size() const noexcept { return member_count_; }

 private:
  struct Member {
    std::string_view name;  // raw
    JsonValue value;
  };

  std::array<Member, kJsonMembersMax> members_;
  std::size_t member_count_ = 0;
};

}  // namespace ims::logic

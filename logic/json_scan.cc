// The scanner by recursive descent; its depth is bounded by kJsonDepthMax.
#include "logic/json_scan.h"

#include <algorithm>

#include "logic/json_chars.h"
#include "logic/json_text.h"
#include "shared/names.h"

namespace ims::logic {
namespace {

// ---- the grammar ----

// Each `x()` advances over one x, or returns false where there is none; text_ is then undefined.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  // One object; calls on_member(raw name, value) for each of its members in order.
  template <typename OnMember>
  bool object(unsigned depth, OnMember&& on_member) noexcept {
    if (!enter(depth) || !accept('{')) return false;
    skip_space();
    if (accept('}')) return true;
    do {
      std::string_view name;
      JsonValue value;
      skip_space();
      if (!string(name)) return false;
      skip_space();
      if (!accept(':')) return false;
      skip_space();
      if (!any(depth, value)) return false;
      on_member(name, value);
      skip_space();
    } while (accept(','));
    return accept('}');
  }

  void skip_space() noexcept {
    while (!text_.empty() &&
           (text_[0] == ' ' || text_[0] == '\t' || text_[0] == '\n' || text_[0] == '\r')) {
      text_.remove_prefix(1);
    }
  }
  bool at_end() const noexcept { return text_.empty(); }
  bool too_deep() const noexcept { return too_deep_; }

 private:
  bool enter(unsigned depth) noexcept {
    too_deep_ = depth > kJsonDepthMax;
    return !too_deep_;
  }

  bool accept(char c) noexcept {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool any(unsigned depth, JsonValue& value) noexcept {
    if (text_.empty()) return false;
    const char* start = text_.data();
    bool ok = false;
    switch (text_[0]) {
      case '"':
        value.kind = JsonKind::kString;
        return string(value.raw);
      case '{':
        value.kind = JsonKind::kObject;
        ok = object(depth + 1, [](std::string_view, const JsonValue&) {});
        break;
      case '[':
        value.kind = JsonKind::kArray;
        ok = array(depth + 1);
        break;
      case 't':
      case 'f':
        value.kind = JsonKind::kBool;
        ok = literal("true") || literal("false");
        break;
      case 'n':
        value.kind = JsonKind::kNull;
        ok = literal("null");
        break;
      default:
        value.kind = JsonKind::kNumber;
        ok = number();
        break;
    }
    value.raw = {start, static_cast<std::size_t>(text_.data() - start)};
    return ok;
  }

  bool array(unsigned depth) noexcept {
    if (!enter(depth) || !accept('[')) return false;
    skip_space();
    if (accept(']')) return true;
    do {
      JsonValue value;
      skip_space();
      if (!any(depth, value)) return false;
      skip_space();
    } while (accept(','));
    return accept(']');
  }

  bool literal(std::string_view word) noexcept {
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  bool string(std::string_view& raw) noexcept {
    if (!accept('"')) return false;
    const char* start = text_.data();
    while (!text_.empty()) {
      const char c = text_[0];
      if (c == '"') {
        raw = {start, static_cast<std::size_t>(text_.data() - start)};
        text_.remove_prefix(1);
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      text_.remove_prefix(1);
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  // What follows a backslash.
  bool escape() noexcept {
    if (!accept('u')) {
      if (text_.empty() || unescaped(text_[0]) == 0) return false;
      text_.remove_prefix(1);
      return true;
    }
    const int unit = hex4(text_);
    if (unit < 0 || is_low_surrogate(unit)) return false;
    text_.remove_prefix(4);
    if (!is_high_surrogate(unit)) return true;
    if (!literal("\\u") || !is_low_surrogate(hex4(text_))) return false;
    text_.remove_prefix(4);
    return true;
  }

  bool digits() noexcept {
    const std::size_t count = std::min(text_.find_first_not_of("0123456789"), text_.size());
    text_.remove_prefix(count);
    return count > 0;
  }

  bool number() noexcept {
    accept('-');
    if (!accept('0') && !digits()) return false;
    if (accept('.') && !digits()) return false;
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      return digits();
    }
    return true;
  }

  std::string_view text_;  // what is left
  bool too_deep_ = false;
};

}  // namespace

JsonStatus JsonObject::parse(std::string_view text) noexcept {
  member_count_ = 0;
  if (!valid_utf8(text)) return JsonStatus::kSyntax;
  bool too_many = false;
  bool duplicate = false;
  Scanner scanner(text);
  scanner.skip_space();
  const bool ok = scanner.object(1, [&](std::string_view name, const JsonValue& value) {
    for (std::size_t i = 0; i < member_count_; ++i) {
      duplicate = duplicate || json_strings_equal(members_[i].name, name);
    }
    too_many = member_count_ == kJsonMembersMax;
    if (!too_many) members_[member_count_++] = {name, value};
  });
  scanner.skip_space();
  if (ok && scanner.at_end() && !too_many) {
    return duplicate ? JsonStatus::kDuplicate : JsonStatus::kOk;
  }
  member_count_ = 0;
  return too_many || scanner.too_deep() ? JsonStatus::kTooLarge : JsonStatus::kSyntax;
}

const JsonValue* JsonObject::find(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < member_count_; ++i) {
    if (json_string_equals(members_[i].name, name)) return &members_[i].value;
  }
  return nullptr;
}

}  // namespace ims::logic

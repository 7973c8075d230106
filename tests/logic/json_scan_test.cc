// The strict JSON scanner: what is an object, and what its members are.
#include "logic/json_scan.h"

#include <doctest/doctest.h>

#include <string>

namespace ims::logic {
namespace {

JsonStatus status_of(std::string_view text) {
  JsonObject object;
  const JsonStatus status = object.parse(text);
  if (status == JsonStatus::kSyntax || status == JsonStatus::kTooLarge) CHECK(object.size() == 0);
  return status;
}

struct Row {
  const char* name;
  std::string text;
  JsonStatus status;
};

constexpr JsonStatus kOk = JsonStatus::kOk;
constexpr JsonStatus kSyntax = JsonStatus::kSyntax;
constexpr JsonStatus kDuplicate = JsonStatus::kDuplicate;
constexpr JsonStatus kTooLarge = JsonStatus::kTooLarge;

// An object of `levels` levels.
std::string nested_objects(unsigned levels) {
  std::string text = "{}";
  for (unsigned i = 1; i < levels; ++i) text = "{\"a\":" + text + "}";
  return text;
}

// An object whose only member is an array, `levels` levels in all.
std::string nested_arrays(unsigned levels) {
  return "{\"a\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

std::string members(std::size_t count) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  }
  return text + "}";
}

TEST_CASE("json_scan: what is an object and what is not") {
  const Row rows[] = {
      {"empty object", "{}", kOk},
      {"space around everything", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", kOk},
      {"every kind", R"({"s":"x","n":-1.5e+3,"o":{},"a":[],"t":true,"f":false,"z":null})", kOk},
      {"every escape", R"({"s":"\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00"})", kOk},
      {"UTF-8", "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}", kOk},
      {"DEL is no control character of JSON", "{\"a\":\"\x7f\"}", kOk},
      {"empty text", "", kSyntax},
      {"space alone", " ", kSyntax},
      {"array", "[]", kSyntax},
      {"string", "\"a\"", kSyntax},
      {"number", "1", kSyntax},
      {"unclosed", "{", kSyntax},
      {"unclosed after a member", "{\"a\":1", kSyntax},
      {"unclosed after a comma", "{\"a\":1,", kSyntax},
      {"trailing comma", "{\"a\":1,}", kSyntax},
      {"leading comma", "{,\"a\":1}", kSyntax},
      {"two commas", "{\"a\":1,,\"b\":2}", kSyntax},
      {"no comma", "{\"a\":1 \"b\":2}", kSyntax},
      {"no colon", "{\"a\" 1}", kSyntax},
      {"no value", "{\"a\":}", kSyntax},
      {"no name", "{:1}", kSyntax},
      {"name without quotes", "{a:1}", kSyntax},
      {"name in single quotes", "{'a':1}", kSyntax},
      {"number as name", "{1:1}", kSyntax},
      {"garbage behind", "{}x", kSyntax},
      {"second object behind", "{}{}", kSyntax},
      {"zero byte behind", std::string("{}\0", 3), kSyntax},
      {"byte order mark", "\xef\xbb\xbf{}", kSyntax},
      {"comment", "{/**/}", kSyntax},
      {"form feed as space", "{\f}", kSyntax},
      {"unclosed array", "{\"a\":[1}", kSyntax},
      {"array with trailing comma", "{\"a\":[1,]}", kSyntax},
      {"array closed by a brace", "{\"a\":[}]", kSyntax},
      {"True", "{\"a\":True}", kSyntax},
      {"truex", "{\"a\":truex}", kSyntax},
      {"tru", "{\"a\":tru}", kSyntax},
      {"fals", "{\"a\":fals}", kSyntax},
      {"nul", "{\"a\":nul}", kSyntax},
      {"unclosed string", "{\"a\":\"b}", kSyntax},
      {"string ends in a backslash", "{\"a\":\"b\\", kSyntax},
      {"raw line end in a string", "{\"a\":\"\n\"}", kSyntax},
      {"raw zero byte in a string", std::string("{\"a\":\"\0\"}", 9), kSyntax},
      {"raw 0x1f in a string", "{\"a\":\"\x1f\"}", kSyntax},
      {"unknown escape", R"({"a":"\x41"})", kSyntax},
      {"escaped single quote", R"({"a":"\'"})", kSyntax},
      {"capital U", R"({"a":"\U0041"})", kSyntax},
      {"three hex digits", R"({"a":"\u004"})", kSyntax},
      {"no hex digit", R"({"a":"\u004g"})", kSyntax},
      {"sign in hex", R"({"a":"\u+041"})", kSyntax},
      {"hex cut by the end", "{\"a\":\"\\u00", kSyntax},
      {"lone high surrogate", R"({"a":"\ud83d"})", kSyntax},
      {"high surrogate, then text", R"({"a":"\ud83dx"})", kSyntax},
      {"high surrogate, then a letter", R"({"a":"\ud83d\u0041"})", kSyntax},
      {"two high surrogates", R"({"a":"\ud83d\ud83d"})", kSyntax},
      {"lone low surrogate", R"({"a":"\ude00"})", kSyntax},
      {"low before high", R"({"a":"\ude00\ud83d"})", kSyntax},
      {"bad UTF-8: lone continuation", "{\"a\":\"\x80\"}", kSyntax},
      {"bad UTF-8: cut", "{\"a\":\"\xc3\"}", kSyntax},
      {"bad UTF-8: overlong", "{\"a\":\"\xc0\xaf\"}", kSyntax},
      {"bad UTF-8: surrogate", "{\"a\":\"\xed\xa0\x80\"}", kSyntax},
      {"bad UTF-8: above U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", kSyntax},
      {"bad UTF-8 in a name", "{\"\xff\":1}", kSyntax},
      {"the same member twice", R"({"a":1,"a":1})", kDuplicate},
      {"the same member twice, not in a row", R"({"a":1,"b":2,"a":3})", kDuplicate},
      {"the same member, escaped", R"({"sub":1,"\u0073ub":2})", kDuplicate},
      {"the same member, both escaped", R"({"\u00e9":1,"\u00E9":2})", kDuplicate},
      {"the same member, escaped and in UTF-8", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
       kDuplicate},
      {"the empty member twice", R"({"":1,"":2})", kDuplicate},
      {"names of which one starts the other", R"({"a":1,"ab":2})", kOk},
      {"names that differ in case", R"({"a":1,"A":2})", kOk},
      {"the same member on two levels", R"({"a":{"a":1}})", kOk},
      {"a member twice further down", R"({"b":{"a":1,"a":2}})", kOk},
      {"syntax goes before duplicates", R"({"a":1,"a":2)", kSyntax},
      {"objects, one level below", nested_objects(kJsonDepthMax - 1), kOk},
      {"objects, at the limit", nested_objects(kJsonDepthMax), kOk},
      {"objects, one above", nested_objects(kJsonDepthMax + 1), kTooLarge},
      {"arrays, at the limit", nested_arrays(kJsonDepthMax), kOk},
      {"arrays, one above", nested_arrays(kJsonDepthMax + 1), kTooLarge},
      {"a stack's worth of arrays", "{\"a\":" + std::string(100'000, '['), kTooLarge},
      {"members, one below", members(kJsonMembersMax - 1), kOk},
      {"members, at the limit", members(kJsonMembersMax), kOk},
      {"members, one above", members(kJsonMembersMax + 1), kTooLarge},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(status_of(row.text) == row.status);
  }
}

TEST_CASE("json_scan: every beginning of an object is none, and no byte is read past the end") {
  const std::string text =
      R"({"s":"x\n\u0041\ud83d\ude00","n":-10.5e+3,"o":{"p":[1,{}]},"t":true,"z":null})";
  REQUIRE(status_of(text) == kOk);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string exact = text.substr(0, size);  // on the heap, so that ASan sees the end
    CHECK(status_of(exact) == kSyntax);
  }
}

TEST_CASE("json_scan: numbers") {
  const std::pair<const char*, bool> rows[] = {
      {"0", true},     {"-0", true},     {"10", true},     {"0.5", true},   {"1e5", true},
      {"1E-5", true},  {"1.25e+05", true}, {"-0.0", true}, {"01", false},   {"-01", false},
      {"+1", false},   {".5", false},    {"1.", false},    {"1.e5", false}, {"1e", false},
      {"1e+", false},  {"1e+-5", false}, {"-", false},     {"--1", false},  {"0x10", false},
      {"NaN", false},  {"nan", false},   {"Infinity", false}, {"-Infinity", false},
      {"1_000", false}, {"1 000", false}, {"1,5", false},  {"1e5.5", false},
  };
  for (const auto& row : rows) {
    const auto& number = row.first;
    const auto& ok = row.second;
    INFO(number);
    CHECK(status_of(std::string("{\"a\":") + number + "}") == (ok ? kOk : kSyntax));
    CHECK(status_of(std::string("{\"a\":[") + number + "]}") ==
          (ok || std::string_view(number) == "1,5" ? kOk : kSyntax));
  }
}

TEST_CASE("json_scan: members by name, with their kind and raw text") {
  JsonObject object;
  const std::string text =
      R"({"s":"a\"b","n": -1.5 ,"o":{"s":2},"a":[1,"]"],"t":true,"\u007a":null,"":0})";
  REQUIRE(object.parse(text) == kOk);
  CHECK(object.size() == 7);
  const auto check = [&](std::string_view name, JsonKind kind, std::string_view raw) {
    INFO(name);
    const JsonValue* value = object.find(name);
    REQUIRE(value != nullptr);
    CHECK(value->kind == kind);
    CHECK(value->raw == raw);
  };
  check("s", JsonKind::kString, R"(a\"b)");
  check("n", JsonKind::kNumber, "-1.5");
  check("o", JsonKind::kObject, R"({"s":2})");
  check("a", JsonKind::kArray, R"([1,"]"])");
  check("t", JsonKind::kBool, "true");
  check("z", JsonKind::kNull, "null");
  check("", JsonKind::kNumber, "0");
  CHECK(object.find("S") == nullptr);
  CHECK(object.find("ss") == nullptr);
  REQUIRE(object.parse("{}") == kOk);  // parsing again forgets
  CHECK(object.find("s") == nullptr);
}

}  // namespace
}  // namespace ims::logic

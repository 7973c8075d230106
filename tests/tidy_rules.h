// The house rules that can be checked on text alone, as functions of one file's path and text, so
// that tidy_test.cc can show of each rule that it fails where it should.
//
// A path is relative to the source tree's root, with '/'.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ims::tidy {

// A header and its source, named without suffix, that may use a word which their folder may not,
// and why.
struct Allowed {
  std::string_view unit;
  std::string_view word;
  std::string_view reason;
};

inline constexpr std::size_t kColumnsMax = 100;
inline constexpr std::size_t kLinesMax = 400;

// Each finding is "path:line: what is wrong".
using Findings = std::vector<std::string>;

// DESIGN.md section 9: proto <- shared <- {gateway, logic} <- deploy, tests, bench.
Findings check_arrows(std::string_view path, std::string_view text);
// Locks, shared ownership, type-erased calls in gateway/ and logic/; atomics outside named files.
Findings check_banned_words(std::string_view path, std::string_view text,
                            std::span<const Allowed> allowed);
// Length of lines and files, an opening comment, nothing left to do, no machine's folders.
Findings check_form(std::string_view path, std::string_view text);

// C++ with comments and the insides of literals blanked out, line by line as before.
std::string strip_comments_and_literals(std::string_view text);

}  // namespace ims::tidy

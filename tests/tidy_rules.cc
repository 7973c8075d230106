// The rules of tidy_rules.h.
#include "tests/tidy_rules.h"

#include <algorithm>
#include <array>

namespace ims::tidy {
namespace {

bool is_cpp(std::string_view path) { return path.ends_with(".h") || path.ends_with(".cc"); }

std::string_view folder_of(std::string_view path) { return path.substr(0, path.find('/')); }

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string finding(std::string_view path, std::size_t line, std::string_view what) {
  return std::string(path) + ":" + std::to_string(line) + ": " + std::string(what);
}

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// `word` in `line`, not as a part of a longer one: "std::atomic" is not in "std::atomics", but
// "std::atomic_" with a trailing underscore is a prefix and matches all that begin so.
bool has_word(std::string_view line, std::string_view word) {
  for (std::size_t at = 0; (at = line.find(word, at)) != std::string_view::npos; ++at) {
    const std::size_t end = at + word.size();
    const bool begins = at == 0 || !is_word_char(line[at - 1]);
    const bool ends = word.back() == '_' || end == line.size() || !is_word_char(line[end]);
    if (begins && ends) return true;
  }
  return false;
}

// Who may include whom; a folder that is not named may include none of them.
struct Arrow {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

const std::vector<Arrow>& arrows() {
  static const std::vector<Arrow> list = {
      {"proto", {"proto"}},
      {"shared", {"proto", "shared"}},
      {"gateway", {"proto", "shared", "gateway"}},
      {"logic", {"proto", "shared", "logic"}},
      {"deploy", {"proto", "shared", "gateway", "logic", "deploy"}},
      {"tests", {"proto", "shared", "gateway", "logic", "deploy", "bench", "tests"}},
      {"bench", {"proto", "shared", "gateway", "logic", "deploy", "bench"}},
  };
  return list;
}

const Arrow* find_arrow(std::string_view folder) {
  const auto found = std::ranges::find(arrows(), folder, &Arrow::folder);
  return found == arrows().end() ? nullptr : &*found;
}

// What `#include "..."` names, or empty.
std::string_view included(std::string_view line) {
  constexpr std::string_view kInclude = "#include \"";
  if (!line.starts_with(kInclude)) return {};
  line.remove_prefix(kInclude.size());
  return line.substr(0, line.find('"'));
}

// A word, the headers that bring it, and the folders where it is banned.
struct Ban {
  std::string_view word;
  std::vector<std::string_view> folders;
};

const std::vector<Ban>& bans() {
  static const std::vector<Ban> list = [] {
    const std::vector<std::string_view> cores = {"gateway", "logic"};
    const std::vector<std::string_view> product = {"shared", "gateway", "logic", "deploy"};
    return std::vector<Ban>{
        {"std::mutex", cores},        {"std::recursive_mutex", cores},
        {"std::shared_mutex", cores}, {"std::condition_variable", cores},
        {"std::shared_ptr", cores},   {"std::make_shared", cores},
        {"std::weak_ptr", cores},     {"std::function", cores},
        {"pthread_mutex_", cores},    {"std::atomic", product},
        {"std::atomic_", product},
    };
  }();
  return list;
}

// The word that an allow-list names for a ban: all atomics are "std::atomic", and who may hold a
// shared_ptr may make one.
std::string_view allowed_word(std::string_view word) {
  if (word == "std::atomic_") return "std::atomic";
  return word == "std::make_shared" ? "std::shared_ptr" : word;
}

std::size_t columns_of(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool opens_with_comment(std::string_view path, std::string_view text) {
  if (is_cpp(path) || path.ends_with(".proto")) return text.starts_with("//");
  if (path.ends_with(".py")) {
    return text.starts_with("#") || text.starts_with("\"\"\"");
  }
  return text.starts_with("#");  // CMake, TOML, shell
}

}  // namespace

Findings check_arrows(std::string_view path, std::string_view text) {
  Findings findings;
  const Arrow* const from = find_arrow(folder_of(path));
  if (from == nullptr || !is_cpp(path)) return findings;
  const bool is_core = from->folder == "gateway" || from->folder == "logic";
  const auto lines = split_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view header = included(lines[i]);
    if (header.empty()) continue;
    const std::string_view to = folder_of(header);
    if (to == header) {
      // A generated header, "ims.pb.h", has no folder.
      if (!header.ends_with(".pb.h")) {
        findings.push_back(finding(path, i + 1, "includes are written from the root"));
      }
    } else if (find_arrow(to) == nullptr ||
               std::ranges::find(from->may_include, to) == from->may_include.end()) {
      findings.push_back(finding(path, i + 1, std::string(from->folder) + " may not include " +
                                                  std::string(header)));
    } else if (is_core && header.starts_with("shared/client/")) {
      findings.push_back(finding(path, i + 1, "the client library is for tools and tests"));
    }
  }
  return findings;
}

Findings check_banned_words(std::string_view path, std::string_view text,
                            std::span<const Allowed> allowed) {
  Findings findings;
  if (!is_cpp(path)) return findings;
  const std::string code = strip_comments_and_literals(text);
  const auto lines = split_lines(code);
  const std::string_view unit = path.substr(0, path.rfind('.'));
  for (const Ban& ban : bans()) {
    if (std::ranges::find(ban.folders, folder_of(path)) == ban.folders.end()) continue;
    const bool is_allowed = std::ranges::any_of(allowed, [&](const Allowed& entry) {
      return entry.unit == unit && entry.word == allowed_word(ban.word);
    });
    if (is_allowed) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (has_word(lines[i], ban.word)) {
        findings.push_back(finding(path, i + 1, std::string(ban.word) + " is banned here"));
      }
    }
  }
  return findings;
}

Findings check_form(std::string_view path, std::string_view text) {
  // In two pieces, so that this file keeps the rules that it checks.
  static const std::array<std::string, 3> left_over = {"TO" "DO", "FIX" "ME", "XX" "X"};
  static const std::array<std::string, 3> machine_folders = {"/ho" "me/", "/ro" "ot/", "/wo" "rk/"};

  Findings findings;
  if (!opens_with_comment(path, text)) {
    findings.push_back(finding(path, 1, "opens without a comment that says what it is"));
  }
  if (!text.empty() && !text.ends_with('\n')) {
    findings.push_back(finding(path, 1, "ends without a newline"));
  }
  const auto lines = split_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_cpp(path) && columns_of(lines[i]) > kColumnsMax) {
      findings.push_back(finding(path, i + 1, "a line of over 100 columns"));
    }
    for (const std::string& word : left_over) {
      if (has_word(lines[i], word)) findings.push_back(finding(path, i + 1, "holds " + word));
    }
    for (const std::string& folder : machine_folders) {
      if (lines[i].find(folder) != std::string_view::npos) {
        findings.push_back(finding(path, i + 1, "names a folder of one machine"));
      }
    }
  }
  if (is_cpp(path) && lines.size() > kLinesMax) {
    findings.push_back(finding(path, lines.size(), "over 400 lines: a second idea moved in"));
  }
  return findings;
}

std::string strip_comments_and_literals(std::string_view text) {
  std::string code(text);
  const auto blank = [&code](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, code.size()); ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
  };
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.substr(i, 2) == "//") {
      const std::size_t end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (text.substr(i, 2) == "/*") {
      const std::size_t end = text.find("*/", i + 2);
      blank(i, end == std::string_view::npos ? text.size() : end + 2);
      i = end == std::string_view::npos ? text.size() : end + 2;
    } else if (text.substr(i, 2) == "R\"" && (i == 0 || !is_word_char(text[i - 1]))) {
      const std::size_t open = std::min(text.find('(', i), text.size());
      const std::string close = ")" + std::string(text.substr(i + 2, open - i - 2)) + "\"";
      const std::size_t end = std::min(text.find(close, open), text.size());
      blank(i + 2, end + close.size() - 1);
      i = std::min(end + close.size(), text.size());
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word_char(text[i - 1])))) {
      // A quote behind a digit is a separator: 1'000.
      std::size_t end = i + 1;
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') {
        end += text[end] == '\\' ? 2 : 1;
      }
      blank(i + 1, end);
      i = end + 1;
    } else {
      ++i;
    }
  }
  return code;
}

}  // namespace ims::tidy

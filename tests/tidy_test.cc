// The house rules as tests: arrows between folders, banned words, the form of every file. First
// each rule is shown to fail where it should, then the tree is walked.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tidy_rules.h"

namespace ims::tidy {
namespace {

namespace fs = std::filesystem;

// Every exception, with its reason. An entry that is no longer needed fails the test.
constexpr Allowed kAllowed[] = {
    {"shared/byte_ring", "std::atomic", "head and tail between two threads"},
    {"shared/spsc_ring", "std::atomic", "head and tail between two threads"},
    {"shared/wakeup", "std::atomic", "the sleeping flag and its futex"},
    {"shared/counters", "std::atomic", "relaxed cells that other processes read"},
    {"shared/counter_file", "std::atomic", "reads those cells"},
    {"shared/stage_block", "std::atomic", "relaxed cells likewise"},
    {"shared/slow_table", "std::atomic", "a seqlock that other processes read"},
    {"shared/trace", "std::atomic", "slots that travel from thread to thread with their record"},
    {"shared/log", "std::atomic", "a call site's bucket, shared by threads"},
    {"logic/committer", "std::atomic", "the stop flag, and the failure that other threads read"},
    {"logic/reader", "std::atomic", "the stop flag of its thread"},
    {"logic/authenticator", "std::atomic", "the stop flag of its thread"},
    {"logic/disk_space", "std::atomic", "a figure that any thread reads, at most a second old"},
    {"logic/retention_clock", "std::atomic", "the stored clock, read by the store's threads"},
    {"logic/rocks_listener", "std::atomic", "flags set on RocksDB's own threads"},
    {"logic/store_segments", "std::atomic", "what reads and copies see of writes"},
    {"logic/store_gate", "std::atomic", "readers of a store that may be replaced, and who waits"},
    {"logic/store_reopening", "std::atomic", "a store that stays closed, for readers who wait"},
    {"logic/segment_index", "std::atomic", "one writer beside readers that take no lock"},
    {"logic/segment_views", "std::atomic", "views that stay whole while a reader is in them"},
    {"logic/segment_tables", "std::atomic", "the oldest segment that was not removed"},
    {"logic/segment_sealer", "std::atomic", "the next file and the last seal, from its thread"},
    {"logic/segment_reader", "std::mutex", "the table of open files; never held while bytes move"},
    {"logic/store_segments_open", "std::shared_ptr", "as in its header; start-up only"},
    {"logic/store_segments", "std::shared_ptr", "RocksDB shares its listener; start-up only"},
    {"logic/worker_thread", "std::atomic", "the stop flag, and that a drained worker is quiet"},
    {"gateway/gateway_thread", "std::atomic", "the two stop flags of gateway threads"},
    {"deploy/server_parts", "std::atomic", "the stop flags, and how many gateways still run"},
    {"deploy/allocator", "std::atomic", "a thread's count, read by another one"},
    {"deploy/admin_server", "std::atomic", "the stop flag of its thread"},
    {"deploy/worker_backend", "std::atomic", "the same stop flag, watched while it waits"},
    {"logic/rocks_options", "std::shared_ptr", "RocksDB's options take shared_ptr; start-up only"},
    {"logic/store_rocks", "std::shared_ptr", "RocksDB shares its listener; start-up only"},
    {"logic/store_memory", "std::shared_mutex", "the engine of tests, read from several threads"},
};

std::vector<std::string> files_of(const std::vector<std::string>& folders) {
  const fs::path root = IMS_SOURCE_DIR;
  std::vector<std::string> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string path = fs::relative(entry.path(), root).generic_string();
      const std::string name = entry.path().filename().string();
      const std::string suffix = entry.path().extension().string();
      const bool generated = path.find("__pycache__") != std::string::npos ||
                             name.find("_pb2") != std::string::npos;
      const bool checked = name == "CMakeLists.txt" || suffix == ".h" || suffix == ".cc" ||
                           suffix == ".proto" || suffix == ".py" || suffix == ".sh" ||
                           suffix == ".toml" || suffix == ".cmake";
      if (checked && !generated) files.push_back(path);
    }
  }
  std::ranges::sort(files);
  return files;
}

std::string read_text(const std::string& path) {
  std::ifstream file(fs::path(IMS_SOURCE_DIR) / path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void report(const Findings& findings) {
  for (const std::string& finding : findings) FAIL_CHECK(finding);
}

const std::vector<std::string> kFolders = {"proto", "shared", "gateway", "logic",
                                           "deploy", "tests",  "bench",   "cmake"};

// ---- the rules fail where they should ----

TEST_CASE("arrows: who may include whom") {
  struct Row {
    const char* rule;
    std::string_view path;
    std::string_view text;
    bool allowed;
  };
  const Row rows[] = {
      {"a folder itself", "gateway/a.h", "#include \"gateway/b.h\"\n", true},
      {"gateway to shared", "gateway/a.h", "#include \"shared/b.h\"\n", true},
      {"logic to shared", "logic/a.cc", "#include \"shared/b.h\"\n", true},
      {"gateway to logic", "gateway/a.cc", "#include \"logic/b.h\"\n", false},
      {"logic to gateway", "logic/a.cc", "#include \"gateway/b.h\"\n", false},
      {"shared upward", "shared/a.cc", "#include \"gateway/b.h\"\n", false},
      {"shared to logic", "shared/a.h", "#include \"logic/b.h\"\n", false},
      {"logic to deploy", "logic/a.h", "#include \"deploy/b.h\"\n", false},
      {"gateway to tests", "gateway/a.h", "#include \"tests/b.h\"\n", false},
      {"deploy to both", "deploy/a.cc", "#include \"logic/b.h\"\n#include \"gateway/c.h\"\n", true},
      {"deploy to tests", "deploy/a.cc", "#include \"tests/b.h\"\n", false},
      {"bench to tests", "bench/a.cc", "#include \"tests/b.h\"\n", false},
      {"tests to all", "tests/a.cc", "#include \"bench/b.h\"\n", true},
      {"a core to the client library", "logic/a.cc", "#include \"shared/client/b.h\"\n", false},
      {"deploy to the client library", "deploy/a.cc", "#include \"shared/client/b.h\"\n", true},
      {"not from the root", "gateway/a.cc", "#include \"b.h\"\n", false},
      {"parent folders", "gateway/a.cc", "#include \"../logic/b.h\"\n", false},
      {"generated code", "tests/a.cc", "#include \"ims.pb.h\"\n", true},
      {"system headers", "gateway/a.cc", "#include <logic/b.h>\n", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(check_arrows(row.path, row.text).empty() == row.allowed);
  }
  CHECK(check_arrows("shared/a.cc", "// x\n#include \"logic/b.h\"\n") ==
        Findings{"shared/a.cc:2: shared may not include logic/b.h"});
}

TEST_CASE("banned words") {
  struct Row {
    const char* rule;
    std::string_view path;
    std::string_view text;
    bool allowed;
  };
  const Row rows[] = {
      {"a mutex in gateway", "gateway/a.h", "std::mutex m_;\n", false},
      {"a mutex in logic", "logic/a.cc", "std::mutex m_;\n", false},
      {"a mutex in tests", "tests/a.cc", "std::mutex m;\n", true},
      {"a condition variable", "logic/a.h", "std::condition_variable c_;\n", false},
      {"shared ownership", "gateway/a.h", "std::shared_ptr<int> p_;\n", false},
      {"made shared", "gateway/a.cc", "auto p = std::make_shared<int>();\n", false},
      {"a type-erased call", "logic/a.h", "std::function<void()> f_;\n", false},
      {"std::functional is another word", "logic/a.h", "std::functional_x f_;\n", true},
      {"an atomic", "logic/a.h", "std::atomic<int> a_;\n", false},
      {"an atomic flag", "shared/a.h", "std::atomic_flag a_;\n", false},
      {"an atomic_ref", "gateway/a.h", "std::atomic_ref<int> a_(b);\n", false},
      {"an atomic in deploy", "deploy/a.cc", "std::atomic<bool> stop;\n", false},
      {"an atomic in a named file", "shared/byte_ring.h", "std::atomic<int> a_;\n", true},
      {"an atomic in the named header's source", "shared/byte_ring.cc", "std::atomic<int> a;\n",
       true},
      {"a name that only begins like it", "shared/byte_rings.h", "std::atomic<int> a_;\n", false},
      {"made shared in a named file", "logic/rocks.cc", "auto p = std::make_shared<int>();\n",
       true},
      {"a mutex in a file named for atomics", "logic/named.h", "std::mutex m_;\n", false},
      {"in a comment", "logic/a.h", "// std::mutex would block\n", true},
      {"in a block comment", "logic/a.h", "/* std::mutex\n std::mutex */ int a;\n", true},
      {"in a literal", "logic/a.h", "const char* a = \"std::mutex \\\" std::mutex\";\n", true},
      {"in a raw literal", "logic/a.h", "auto a = R\"x(\" std::mutex)x\";\n", true},
      {"behind a literal", "logic/a.h", "f(\"x\", '\"'); std::mutex m_;\n", false},
      {"behind a digit separator", "logic/a.h", "int a = 1'000; std::mutex m_;\n", false},
      {"behind a comment", "logic/a.h", "/* x */ std::mutex m_;\n", false},
  };
  const Allowed allowed[] = {{"shared/byte_ring", "std::atomic", "r"},
                             {"logic/named", "std::atomic", "r"},
                             {"logic/rocks", "std::shared_ptr", "r"}};
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(check_banned_words(row.path, row.text, allowed).empty() == row.allowed);
  }
}

TEST_CASE("form") {
  const std::string opening = "// What it is.\n";
  const auto good = [&opening](const std::string& rest) {
    return check_form("shared/a.h", opening + rest).empty();
  };
  CHECK(good(""));
  CHECK(good(std::string(100, 'x') + "\n"));
  CHECK_FALSE(good(std::string(101, 'x') + "\n"));
  CHECK(good(std::string(99, 'x') + "\xc3\xa9\n"));  // 100 columns in 101 bytes
  CHECK_FALSE(good("int a;  // " + std::string("TO" "DO") + ": later\n"));
  CHECK_FALSE(good("// " + std::string("FIX" "ME") + "\n"));
  CHECK_FALSE(good("const char* a = \"" + std::string("/ho" "me/") + "me\";\n"));
  CHECK_FALSE(good("int a;"));  // no newline at the end

  std::string lines;
  for (std::size_t i = 1; i < kLinesMax; ++i) lines += "\n";
  CHECK(good(lines));
  CHECK_FALSE(good(lines + "\n"));

  CHECK_FALSE(check_form("shared/a.h", "#pragma once\n").empty());
  CHECK_FALSE(check_form("shared/a.h", "").empty());
  CHECK(check_form("proto/a.proto", "// What it is.\n").empty());
  CHECK(check_form("tests/a.py", "\"\"\"What it is.\"\"\"\n").empty());
  CHECK_FALSE(check_form("tests/a.py", "import os\n").empty());
  CHECK(check_form("shared/CMakeLists.txt", "# What it is.\n").empty());
  CHECK_FALSE(check_form("shared/CMakeLists.txt", "add_library(x)\n").empty());
}

// ---- the tree ----

TEST_CASE("the tree is where the test looks") {
  const auto files = files_of(kFolders);
  for (const char* path : {"shared/limits.h", "tests/tidy_test.cc", "deploy/imsd.toml",
                           "cmake/targets.cmake", "gateway/CMakeLists.txt"}) {
    CAPTURE(path);
    CHECK(std::ranges::binary_search(files, std::string(path)));
  }
}

TEST_CASE("the tree keeps the rules") {
  for (const std::string& path : files_of(kFolders)) {
    const std::string text = read_text(path);
    report(check_arrows(path, text));
    report(check_banned_words(path, text, kAllowed));
    report(check_form(path, text));
  }
}

TEST_CASE("every exception is needed and has a reason") {
  for (const Allowed& entry : kAllowed) {
    CAPTURE(entry.unit);
    CAPTURE(entry.word);
    CHECK_FALSE(entry.reason.empty());
    std::size_t uses = 0;
    for (const char* suffix : {".h", ".cc"}) {
      const std::string path = std::string(entry.unit) + suffix;
      // All other words of the unit stay allowed: what is left is this entry's.
      std::vector<Allowed> others;
      for (const Allowed& each : kAllowed) {
        if (each.unit != entry.unit || each.word != entry.word) others.push_back(each);
      }
      uses += check_banned_words(path, read_text(path), others).size();
    }
    CHECK(uses > 0);
  }
}

}  // namespace
}  // namespace ims::tidy

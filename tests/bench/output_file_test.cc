// Files that are there whole or not at all: what was there stays until there is a new one, nothing
// else is left in the folder, and what cannot be written is said, before the run and at its end.
#include "bench/report/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tests/support/temp_dir.h"

namespace ims::bench {
namespace {

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

// Empty when it was written, else what is said.
template <class Write>
std::string refusal_of(Write&& write) {
  try {
    write();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("trying leaves nothing behind, and what is there as it was") {
  const testing::TempDir temporary;
  const std::filesystem::path folder = temporary.path();
  try_output(folder / "new");
  CHECK(files_in(folder) == 0);
  std::ofstream(folder / "old") << "before";
  try_output(folder / "old");
  CHECK(file_text(folder / "old") == "before");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("writing replaces what is there, keeps its mode, and follows a link") {
  const testing::TempDir temporary;
  const std::filesystem::path folder = temporary.path();
  std::ofstream(folder / "old") << "before";
  REQUIRE(chmod((folder / "old").c_str(), 0640) == 0);
  std::filesystem::create_symlink(folder / "old", folder / "link");
  write_output(folder / "link", "after");
  CHECK(file_text(folder / "old") == "after");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  struct stat status {};
  REQUIRE(stat((folder / "old").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  write_output(folder / "new", std::string(1'000'000, 'x'));
  CHECK(file_text(folder / "new").size() == 1'000'000);
  CHECK(files_in(folder) == 3);
}

TEST_CASE("what cannot be written: by its path and the reason") {
  const testing::TempDir temporary;
  const std::filesystem::path folder = temporary.path();
  for (const auto& write : {+[](const std::string& path) { try_output(path); },
                            +[](const std::string& path) { write_output(path, "x"); }}) {
    CHECK(refusal_of([&] { write(folder / "no" / "file"); }).find("no/file: No such file") !=
          std::string::npos);
    CHECK(refusal_of([&] { write(folder); }).find("Is a directory") != std::string::npos);
  }
  CHECK(refusal_of([] { try_output("/dev/full"); }).empty());  // it is not full before
  CHECK(refusal_of([] { write_output("/dev/full", "x"); }) ==
        "cannot write /dev/full: No space left on device");
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(files_in(folder) == 0);
}

// Standard output as something else, for a while.
class StandardOutput {
 public:
  explicit StandardOutput(int fd) {
    std::fflush(stdout);
    if (fd < 0) {
      close(STDOUT_FILENO);
    } else {
      dup2(fd, STDOUT_FILENO);
      close(fd);
    }
  }
  ~StandardOutput() {
    dup2(before_, STDOUT_FILENO);
    close(before_);
  }

 private:
  const int before_ = dup(STDOUT_FILENO);
};

TEST_CASE("standard output: full or closed") {
  std::string full, trying_full, closed, kept;
  {
    const StandardOutput output(open("/dev/full", O_WRONLY));
    trying_full = refusal_of(try_standard_output);
    full = refusal_of([] { write_standard_output("x"); });
  }
  {
    const StandardOutput output(-1);
    closed = refusal_of(try_standard_output);
    keep_standard_descriptors();
    kept = refusal_of(try_standard_output);  // and no other file is taken for it
  }
  CHECK(trying_full.empty());
  CHECK(full == "cannot write standard output: No space left on device");
  CHECK(closed == "cannot write standard output: Bad file descriptor");
  CHECK(kept == closed);
}

}  // namespace
}  // namespace ims::bench

// A directory of a test's own under the system's temporary directory, gone with the object.
// kInMemory, for tests that decide themselves what a power cut leaves: on a tmpfs, where the
// machine has one, so that the syncs below them cost nothing.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace ims::testing {

class TempDir {
 public:
  enum class Place { kOnDisk, kInMemory };

  explicit TempDir(Place place = Place::kOnDisk) {
    const bool in_memory = place == Place::kInMemory && access("/dev/shm", W_OK) == 0;
    const std::filesystem::path parent =
        in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (parent / "ims_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace ims::testing

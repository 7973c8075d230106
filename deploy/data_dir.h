// The layout of the data directory, for imsd and imsctl alike.
//
//   DIR/               0700
//   DIR/store/         the RocksDB
//   DIR/run/counters   the counters of the running server (shared/counter_file.h)
//   DIR/run/admin.sock imsctl's way in, 0600
//   DIR/run/verify-*   a copy of the store that imsctl verify reads (verify_copy.h)
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace ims {

struct DataDir {
  std::filesystem::path root;

  std::filesystem::path store() const { return root / "store"; }
  std::filesystem::path run() const { return root / "run"; }
  std::filesystem::path counters() const { return run() / "counters"; }
  std::filesystem::path admin_socket() const { return run() / "admin.sock"; }

  // Makes what is missing. Throws std::runtime_error, one sentence.
  void create() const {
    std::error_code error;
    for (const std::filesystem::path& path : {root, store(), run()}) {
      if (std::filesystem::is_directory(path, error)) continue;
      std::filesystem::create_directories(path, error);
      if (error) {
        throw std::runtime_error("cannot make the data directory " + path.string() + ": " +
                                 error.message());
      }
      std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
    }
  }
};

}  // namespace ims

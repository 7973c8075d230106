// The engines on a real file system that is really full: a small tmpfs. Needs the right to mount;
// says SKIPPED without it.
#include <doctest/doctest.h>
#include <sys/mount.h>

#include <chrono>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "logic/disk_space.h"
#include "logic/durable_store.h"
#include "logic/store_identity.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::TempDir;
using namespace std::chrono_literals;

class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    const std::string options = std::string("size=") + size;
    mounted_ = mount("ims_test", directory_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (!mounted_) MESSAGE("SKIPPED: no small file system: mount: " << std::strerror(errno));
  }
  ~SmallDisk() {
    if (mounted_) umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const noexcept { return mounted_; }
  const std::string& path() const noexcept { return directory_.path(); }

 private:
  TempDir directory_;
  bool mounted_ = false;
};

constexpr std::size_t kValueBytes = 32 * kKiB;

StoreOptions small_options() {
  StoreOptions options;
  options.block_cache_bytes = 1 * kMiB;
  options.write_buffer_bytes = 2 * kMiB;
  options.store_reserve_bytes = 12 * kMiB;
  options.ballast_bytes = 6 * kMiB;
  options.segment_bytes = 1 * kMiB;
  return options;
}

// Overwrites 64 keys in turn and remembers what was acknowledged.
struct Writer {
  std::uint64_t count = 0;
  std::map<std::string, std::string> acked;

  StoreStatus write(Store& store) {
    const std::string key = "key" + std::to_string(count % 64);
    std::string value = std::to_string(++count) + ":";
    // Does not compress: a disk is filled by what it is given.
    for (std::uint64_t word = count * 0x9e3779b97f4a7c15u; value.size() < kValueBytes;
         word = word * 6364136223846793005u + 1442695040888963407u) {
      value.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    StoreBatch batch;
    batch.put(Table::kRows, key, value);
    const StoreBatch* const batches[] = {&batch};
    const StoreStatus status = store.write(batches, 1, true);
    if (status == StoreStatus::kOk) acked[key] = value;
    return status;
  }

  // As the committer does after kNoSpace: sync() lets the store resume, until a write succeeds. A
  // flush that the full disk made fail may be heard of after a first write succeeded.
  void write_when_resumed(Store& store) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (write(store) != StoreStatus::kOk) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      const StoreStatus synced = store.sync();
      REQUIRE((synced == StoreStatus::kOk || synced == StoreStatus::kNoSpace));
      std::this_thread::sleep_for(100ms);
    }
  }

  // How many acknowledged values are not there.
  std::size_t lost(Store& store) const {
    std::size_t missing = 0;
    std::string found;
    for (const auto& [key, value] : acked) {
      const bool there =
          store.get(Table::kRows, key, &found, ReadTier::kMayBlock) == StoreStatus::kOk;
      if (!there || found != value) ++missing;
    }
    return missing;
  }
};

void fill_and_free(StoreEngine engine) {
  INFO("engine: " << static_cast<int>(engine));
  const SmallDisk disk("64m");
  if (!disk.mounted()) return;
  const std::string path = disk.path() + "/store";
  Writer writer;
  auto store = open_store(engine, path, small_options());
  CHECK(open_identity(*store).boot == 1);
  CHECK(Ballast(path, 6 * kMiB).present());
  std::uint32_t boot = 1;

  for (int cycle = 0; cycle < 4; ++cycle) {
    INFO("cycle: " << cycle);
    for (int at = 0; at < 40; ++at) writer.write_when_resumed(*store);
    std::this_thread::sleep_for(1100ms);
    CHECK(store->has_space());

    {
      // Another program eats the disk, all of it but a little.
      std::ofstream file(disk.path() + "/filler", std::ios::binary);
      const std::string megabyte(kMiB, 'f');
      DiskSpace space(disk.path());
      while (space.refresh() > 1 * kMiB && file.write(megabyte.data(), kMiB).flush()) {
      }
    }
    StoreStatus status = StoreStatus::kOk;
    for (int at = 0; at < 4000 && status == StoreStatus::kOk; ++at) status = writer.write(*store);
    CHECK(status == StoreStatus::kNoSpace);
    CHECK_FALSE(store->has_space());
    CHECK(store->sync() == StoreStatus::kNoSpace);
    CHECK(writer.write(*store) == StoreStatus::kNoSpace);
    CHECK(writer.lost(*store) == 0);  // reads go on

    if (cycle % 2 == 1) {
      // A restart on the full disk: the ballast makes room for recovery and for the boot counter.
      store.reset();
      store = open_store(engine, path, small_options());
      CHECK(open_identity(*store).boot == ++boot);
      CHECK_FALSE(Ballast(path, 6 * kMiB).present());
      CHECK_FALSE(store->has_space());
      CHECK(writer.lost(*store) == 0);
    }

    std::filesystem::remove(disk.path() + "/filler");
    writer.write_when_resumed(*store);
    CHECK(writer.lost(*store) == 0);
    if (cycle % 2 == 1) {
      store.reset();  // and one with room again brings the ballast back
      store = open_store(engine, path, small_options());
      CHECK(open_identity(*store).boot == ++boot);
      CHECK(Ballast(path, 6 * kMiB).present());
      CHECK(writer.lost(*store) == 0);
    }
  }
}

TEST_CASE("full disk: filled and freed again and again: alive, nothing lost, resumes by itself") {
  for (const StoreEngine engine : {StoreEngine::kRocksdb, StoreEngine::kSegments}) {
    fill_and_free(engine);
  }
}

void lower_watermark(StoreEngine engine) {
  INFO("engine: " << static_cast<int>(engine));
  const SmallDisk disk("64m");
  if (!disk.mounted()) return;
  StoreOptions options = small_options();
  options.ballast_bytes = 0;
  const auto made = open_store(engine, disk.path() + "/store", options);
  Store& store = *made;
  CHECK(store.has_space());
  Ballast filler(disk.path(), 49 * kMiB);
  REQUIRE(filler.fill());
  CHECK(store.has_space());  // a figure of this second
  std::this_thread::sleep_for(1100ms);
  CHECK_FALSE(store.has_space());
  CHECK(Writer().write(store) == StoreStatus::kOk);  // cursors and the like still use the reserve
  REQUIRE(filler.release());
  std::this_thread::sleep_for(1100ms);
  CHECK(store.has_space());
}

TEST_CASE("watermark: has_space() is false from below store_reserve_bytes of free space") {
  for (const StoreEngine engine : {StoreEngine::kRocksdb, StoreEngine::kSegments}) {
    lower_watermark(engine);
  }
}

TEST_CASE("ballast: there as a whole or not at all") {
  const SmallDisk disk("4m");
  if (!disk.mounted()) return;
  Ballast fits(disk.path(), 1 * kMiB);
  CHECK_FALSE(fits.present());
  CHECK(fits.fill());
  CHECK(fits.present());
  CHECK(fits.release());
  CHECK_FALSE(fits.release());
  Ballast too_large(disk.path(), 5 * kMiB);
  CHECK_FALSE(too_large.fill());
  CHECK_FALSE(too_large.present());
  CHECK(DiskSpace(disk.path()).free_bytes() > 3 * kMiB);
}

}  // namespace
}  // namespace ims::logic

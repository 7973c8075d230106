// One row for each run, and the scan of them (run_ends.h).
#include "logic/run_ends.h"

#include <string>
#include <string_view>

#include "logic/keys.h"
#include "logic/sys_keys.h"

namespace ims::logic {
namespace {

constexpr std::size_t kEndedKeyBytes = kSysEnded.size() + sizeof(std::uint32_t);

class Ends final : public RowVisitor {
 public:
  explicit Ends(std::vector<std::int64_t>& ends_ms) : ends_ms_(ends_ms) {}
  bool on_row(std::string_view key, std::string_view value) override {
    if (key.size() != kEndedKeyBytes || value.size() != sizeof(std::int64_t)) return true;
    const auto boot = read_big_endian<std::uint32_t>(key.substr(kSysEnded.size()));
    if (boot < ends_ms_.size()) ends_ms_[boot] = read_big_endian<std::int64_t>(value);
    return true;
  }

 private:
  std::vector<std::int64_t>& ends_ms_;
};

}  // namespace

StoreStatus open_run_ends(Store& store, std::uint32_t boot, std::vector<std::int64_t>& ends_ms) {
  ends_ms.assign(boot, 0);
  std::string clock;
  const StoreStatus read = store.get(Table::kMeta, kSysClock, &clock, ReadTier::kMayBlock);
  if (read != StoreStatus::kOk && read != StoreStatus::kNotFound) return read;
  if (read == StoreStatus::kOk && boot > 1) {
    std::string key(kSysEnded);
    append_big_endian(key, boot - 1);
    StoreBatch batch;
    batch.put(Table::kMeta, key, clock);
    const StoreBatch* const batches[] = {&batch};
    const StoreStatus written = store.write(batches, 1, true);
    if (written != StoreStatus::kOk) return written;
  }
  Ends ends(ends_ms);
  const std::string prefix(kSysEnded);
  return store.scan(Table::kMeta, prefix, prefix_end(prefix), false, ReadTier::kMayBlock, ends);
}

}  // namespace ims::logic

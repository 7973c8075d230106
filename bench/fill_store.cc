// fill_store: builds a store of many users and rows, quickly, for measurements of start time, memory and
// size. Writes what a worker would have written; needs no server.
//
//   fill_store DIRECTORY --users 1000000 --rows 2000000 [--value-bytes 200] [--org o --appkey a]
//
// Users are named u0, u1, ...; rows go to their inboxes in turn. A store that exists is added to: use a
// new directory.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_identity.h"
#include "logic/store_rocks.h"
#include "logic/tenant.h"
#include "shared/clock.h"
#include "shared/route.h"

namespace ims::logic {
namespace {

struct Plan {
  std::string directory;
  std::uint64_t users = 1000;
  std::uint64_t rows = 10'000;
  std::size_t value_bytes = 200;
  std::string org = "org";
  std::string appkey = "app";
};

constexpr TenantId kTenant{1};
constexpr std::size_t kWriteBytes = 4 * kMiB;

class Filler {
 public:
  explicit Filler(const Plan& plan)
      : plan_(plan), store_(plan.directory, StoreOptions()), identity_(open_identity(store_)) {}

  void run() {
    put_tenant();
    const std::uint64_t seed = identity_.seed;
    const std::uint64_t tenant_hash = hash_tenant(seed, plan_.org, plan_.appkey);
    for (std::uint64_t user = 0; user < plan_.users; ++user) {
      const std::string name = "u" + std::to_string(user);
      const auto partition = partition_of(hash_name(seed, tenant_hash, NameKind::kUser, name));
      put_user(partition, name, user);
    }
    flush(true);
  }

 private:
  void put_tenant() {
    Tenant tenant;
    tenant.id = kTenant;
    tenant.org = plan_.org;
    tenant.appkey = plan_.appkey;
    batch_.put(Table::kMeta, tenant_key(kTenant), encode_tenant(tenant));
  }

  void put_user(std::uint16_t partition, const std::string& name, std::uint64_t user) {
    // Ids as a worker 0 gives them: boot:24 | worker:8 | counter:32.
    const UserId id{(std::uint64_t{identity_.boot} << 40) | (user + 1)};
    const std::uint64_t share =
        plan_.rows / plan_.users + (user < plan_.rows % plan_.users ? 1 : 0);
    for (std::uint64_t seq = 1; seq <= share; ++seq) {
      value_.clear();
      append_row_header(value_, now_ms_, SessionId{id.value}, id, RowKind::kMessage);
      value_.resize(value_.size() + plan_.value_bytes, 'x');
      batch_.put(Table::kRows, row_key({partition, id.value}, seq), value_);
      flush(false);
    }
    UserRow row;
    row.id = id;
    row.inbox.head = share;
    row.inbox.first_time_ms = share > 0 ? now_ms_ : 0;
    row.inbox.last_time_ms = row.inbox.first_time_ms;
    row.last_seen_ms = now_ms_;
    batch_.put(Table::kMeta, user_key(partition, kTenant, name), encode_user(row));
    flush(false);
  }

  void flush(bool sync) {
    if (!sync && batch_.size_bytes() < kWriteBytes) return;
    const StoreBatch* const batches[] = {&batch_};
    if (store_.write(batches, 1, sync) != StoreStatus::kOk) {
      throw StoreError("fill_store: a write failed; see above");
    }
    batch_.clear();
  }

  const Plan plan_;
  const std::int64_t now_ms_ = read_clock().wall_ms;
  RocksStore store_;
  const StoreIdentity identity_;
  StoreBatch batch_;
  std::string value_;
};

}  // namespace
}  // namespace ims::logic

int main(int argc, char** argv) {
  ims::logic::Plan plan;
  CLI::App app("Builds a store of many users and rows.");
  app.add_option("directory", plan.directory)->required();
  app.add_option("--users", plan.users)->check(CLI::PositiveNumber);
  app.add_option("--rows", plan.rows);
  app.add_option("--value-bytes", plan.value_bytes);
  app.add_option("--org", plan.org);
  app.add_option("--appkey", plan.appkey);
  CLI11_PARSE(app, argc, argv);
  try {
    const std::int64_t begin_ms = ims::read_clock().mono_ms;
    ims::logic::Filler(plan).run();
    const std::int64_t took_ms = std::max<std::int64_t>(ims::read_clock().mono_ms - begin_ms, 1);
    std::printf("%llu users, %llu rows in %.1f s\n", static_cast<unsigned long long>(plan.users),
                static_cast<unsigned long long>(plan.rows), static_cast<double>(took_ms) / 1000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

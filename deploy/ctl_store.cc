// The operator's line without a server: the store, opened here (operator_line.h).
#include <memory>
#include <optional>

#include "deploy/operator_desk.h"
#include "deploy/operator_line.h"
#include "deploy/store_backend.h"
#include "logic/durable_store.h"

namespace ims {
namespace {

// A tool's visit: small caches, nothing dropped (no clock), no ballast made or given up.
logic::StoreOptions visit_options() {
  logic::StoreOptions options;
  options.block_cache_bytes = 32 * kMiB;
  options.write_buffer_bytes = 16 * kMiB;
  options.store_reserve_bytes = 0;
  options.ballast_bytes = 0;
  options.segment_bytes = 16 * kMiB;
  return options;
}

class StoreLine final : public OperatorLine {
 public:
  explicit StoreLine(const DataDir& data)
      : store_(logic::open_store(StoreEngine::kAuto, data.store().string(), visit_options())),
        backend_(*store_),
        desk_(load_tenants(*store_), backend_, "") {}

  logic::Store* store() noexcept override { return store_.get(); }

 private:
  nlohmann::json answer(const nlohmann::json& question) override {
    try {
      return desk_.answer(question);
    } catch (const logic::StoreError& error) {
      throw OperatorError(error.what());
    }
  }

  std::unique_ptr<logic::DurableStore> store_;
  StoreBackend backend_;
  OperatorDesk desk_;
};

}  // namespace

std::unique_ptr<OperatorLine> open_store_line(const DataDir& data) {
  try {
    data.create();
  } catch (const std::runtime_error& error) {
    throw OperatorError(error.what());
  }
  return std::make_unique<StoreLine>(data);
}

}  // namespace ims

// Making and removing copies (verify_copy.h).
#include "deploy/verify_copy.h"

#include <unistd.h>

#include <string_view>
#include <system_error>
#include <vector>

#include "shared/log.h"

namespace ims {
namespace {

constexpr std::string_view kPrefix = "verify-";

void remove_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) {
    IMS_LOG(kWarn, "verify_copy_stays", {{"path", path.string()}, {"why", error.message()}});
  }
}

}  // namespace

VerifyCopy::VerifyCopy(const DataDir& data, logic::DurableStore* store)
    : folder_(data.run()), store_(store) {
  std::error_code error;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (entry.path().filename().string().starts_with(kPrefix)) left.push_back(entry.path());
  }
  for (const std::filesystem::path& path : left) remove_folder(path);
}

Code VerifyCopy::make(std::string& directory) {
  if (store_ == nullptr) return Code::kUnsupported;
  if (!copy_.empty()) return Code::kOverloaded;
  const std::string number = std::to_string(getpid()) + "-" + std::to_string(count_ + 1);
  const std::filesystem::path path = folder_ / (std::string(kPrefix) + number);
  if (store_->checkpoint(path.string()) != logic::StoreStatus::kOk) return Code::kUnavailable;
  ++count_;
  copy_ = path;
  directory = path.string();
  return Code::kOk;
}

void VerifyCopy::remove() {
  if (!copy_.empty()) remove_folder(copy_);
  copy_.clear();
}

}  // namespace ims

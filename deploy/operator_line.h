// imsctl's way to whoever answers an operator's questions: the running server by its socket, or,
// where none runs, the store itself, opened and locked by this process.
//
//   socket answers            the running server
//   no socket, or a dead one  the store; created where there is none
//   neither                   another process holds the store: an error after kBusyMsMax of trying
//
// Threads  One.
// Errors   Throws OperatorError: one sentence for the terminal, and the exit code.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "deploy/data_dir.h"
#include "logic/store.h"

namespace ims {

inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

class OperatorError : public std::runtime_error {
 public:
  explicit OperatorError(const std::string& sentence, int exit_code = kExitRefused)
      : std::runtime_error(sentence), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

class OperatorLine {
 public:
  static constexpr std::int64_t kBusyMsMax = 5'000;

  virtual ~OperatorLine() = default;
  // The answer to a question of operator_desk.h that was not refused; a refusal is thrown.
  nlohmann::json ask(const nlohmann::json& question);

  // The store where this process holds it; null: a server does.
  virtual logic::Store* store() noexcept { return nullptr; }

 private:
  virtual nlohmann::json answer(const nlohmann::json& question) = 0;
};

std::unique_ptr<OperatorLine> open_operator_line(const DataDir& data);

// The two ways. Null: no server listens there; `why` says how that showed.
std::unique_ptr<OperatorLine> open_socket_line(const DataDir& data, std::string& why);
// Throws logic::StoreError.
std::unique_ptr<OperatorLine> open_store_line(const DataDir& data);

}  // namespace ims

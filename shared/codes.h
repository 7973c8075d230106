// The closed lists of PROTOCOL.md section 7: what a Response or ConAck may say, why a connection
// ends.
#pragma once

#include <cstdint>
#include <string_view>

namespace ims {

// Response.code and ConAck.code.
enum class Code : std::uint8_t {
  kOk = 0,
  kFail = 1,
  kBadRequest = 2,
  kUnauthenticated = 3,
  kForbidden = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kOffline = 7,
  kQueueFull = 8,
  kTooLarge = 9,
  kRateLimited = 10,
  kOverloaded = 11,
  kUnavailable = 12,
  kUnsupported = 13,
};
inline constexpr int kCodeCount = 14;

// Disconnect.code.
enum class DisconnectCode : std::uint8_t {
  kNormal = 0,
  kReplaced = 1,
  kUnauthenticated = 2,
  kProtocolError = 3,
  kIdleTimeout = 4,
  kSlowConsumer = 5,
  kShutdown = 6,
  kRateLimited = 7,
  kOverloaded = 8,
  kTokenExpired = 9,
  kKicked = 10,
  kUnavailable = 11,
};
inline constexpr int kDisconnectCodeCount = 12;

// Message.type. The first two are the bare editions'.
enum class MessageType : std::uint8_t {
  kTxt = 0,
  kImage = 1,
  kFile = 2,
  kAudio = 3,
  kVideo = 4,
  kLocation = 5,
  kCustom = 6,
  kRecall = 7,
  kReceipt = 8,
  kTyping = 9,
};
inline constexpr int kMessageTypeCount = 10;

// Request.type.
enum class RequestType : std::uint8_t {
  kMessage = 0,
  kContact = 1,
  kGroup = 2,
  kAck = 3,
  kSync = 4,
  kPresence = 5,
};

enum class Edition : std::uint8_t { kV1 = 1, kV2 = 2 };        // envelope, typed
enum class AckMode : std::uint8_t { kAuto = 0, kExplicit = 1 };
enum class Durability : std::uint8_t { kSync = 0, kInterval = 1, kOs = 2 };
// kAuto: the one that made the store, for a new one kRocksdb.
enum class StoreEngine : std::uint8_t { kAuto = 0, kRocksdb = 1, kSegments = 2 };

}  // namespace ims

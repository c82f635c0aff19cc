/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_ids.h"

#include <string.h>

/* clang-format off */
static const struct log_id ids[] = {
	{ "attempt.failed", "504475922eec5676a4e2c93a1d25e09d" },
	{ "attempts.configure", "0704a790926a5c468f5977e2f1ea85a0" },
	{ "call.refused", "d11cd51b51ee596ea817ff7217c9dcd4" },
	{ "child.deaf", "88f1fc36a5f355958f4c224665e803fa" },
	{ "child.died", "2c3819ac5cdd515b9a33150aef4e8280" },
	{ "child.failed", "2fa3dc665cbf5d869749dc3c5b995f90" },
	{ "child.hung", "0c8bbc23e14d55da943449e8bca82adb" },
	{ "child.late", "503fcbb2f9275eacb5d9bff9ed255689" },
	{ "child.message", "96f3cf36ca2f571997132206aed99960" },
	{ "child.started", "aa868662933958f48b16c6832dc2af06" },
	{ "clock.set", "e784669626a85c5f8ba16e797af010b9" },
	{ "config.mistake", "97b7159be3c7530584624c55903d5db5" },
	{ "config.refused", "a81baa39d0a5564e862ed3668d685d33" },
	{ "config.reloaded", "03941e78351a52edbc7e7eea62d7e268" },
	{ "config.warning", "17f383319f945d2b94f934126fb8b75e" },
	{ "control.dropped", "3464c19125335a1fa776ee40e51c0bdd" },
	{ "control.malformed", "633701701c935c808ed3b7a25321965f" },
	{ "event.failed", "0f119040e9b15ac9a2163862f13c2b34" },
	{ "event.lost", "ac3bd605af5e5f7eab0108d858eddb69" },
	{ "event.told", "f0772c2faa5059b696b8bc3369e584f0" },
	{ "front.descriptors", "d63bca16b76b5c22bdd54a9f12e90125" },
	{ "front.failed", "13eb4e982de453399781910d3f5810f5" },
	{ "front.limit", "869d6dbb4391595aa5ccc7a64114f727" },
	{ "front.status", "832e0eeed4c256ab9142e6cc6b93594c" },
	{ "http.configure", "73e33af6d1405d68900e41d6fbda5965" },
	{ "issuer.forgotten", "048dc28bc4cd538d953efa32f7c67fca" },
	{ "keeper.file_changed", "11e58c405c5d5faba5babab44efdf8ea" },
	{ "keeper.state", "6464cf682d2e5b99984744a7a999a63d" },
	{ "link.build", "fa778ab6f6d85ab5ac7e4e46b320e69a" },
	{ "link.closed", "4208eaf8e3915632bfcd27b59bd125b4" },
	{ "link.dropped", "0c0f764870fe5922a977bb05b0fb7004" },
	{ "link.failed", "6b4969bb9795561fb18d2fe529b46d99" },
	{ "link.malformed", "b520fb98c7b45f43a06956e41b5f2b29" },
	{ "link.unexpected", "b92d4f0a3d3a5af581c8cbc7645c2e9d" },
	{ "listener.failed", "d24c999d8e395b92a235294683623811" },
	{ "listener.paused", "1094729f545c577e997f4beef193fa57" },
	{ "load.refused", "d8d97745e767584bbf8bf5b4dc6a14dc" },
	{ "log.dropped", "32bf4069b06d5d088e16067d9c13bb3e" },
	{ "login.cancelled", "644919e717bf551a969204377a3cc3f0" },
	{ "login.failed", "cd97669fedab5bd9a592794a3bf42e34" },
	{ "login.started", "bcbde38181365c158508188382c9de78" },
	{ "login.succeeded", "26bd2f5ff313538fbce0eedbe0ec7474" },
	{ "loop.message", "61566cf562805d20b661fcfc36ca10e4" },
	{ "manager.adopt", "bc50345f8f065f7d8e38d9ec64f96baa" },
	{ "manager.diagnose", "410b6c5d0f4e5c6898f94593161960e5" },
	{ "manager.disable", "f27fea2858225bd0a1a70fdf2556f3ac" },
	{ "manager.enable", "5659e2f9edf95fd9be4701ad79c46167" },
	{ "manager.full", "379b8567ed7958b89d4fb3b822fb8485" },
	{ "manager.import", "3742560f79ea5ba9b3a971fc3833110b" },
	{ "manager.log_level", "0e9db01821ba5e5d87feccc53b894f5d" },
	{ "manager.not_kept", "6aeb976ed6c95fd892af4c44c6afa5f1" },
	{ "manager.refresh", "f4d88040f8845f21bb8d9a3876285310" },
	{ "manager.reload", "89ad9779702e52e592b78d6deb050e76" },
	{ "manager.revoke", "4fb82e4acc1a58f8a91b26be69daa459" },
	{ "mint.failed", "86038cf73ca95f4aa8224195602cc561" },
	{ "mint.not_waiting", "83de2624beb85b2d87d1d5dfcae1c0a2" },
	{ "mint.orphaned", "c9b6d3b27c69563b9b91023aeed808df" },
	{ "mint.ready", "87e13fe495b651fd85f0725efa354f49" },
	{ "mint.started", "d21e5fe9a6d4551ab408d5c8199eb66b" },
	{ "mint.stopped", "a0ebb3f5610e5e2ba32b7c7eb9e207a8" },
	{ "parent.failed", "6dda9d0e6a0857cf8e0163e60c63ba17" },
	{ "parent.idle", "0eea8d95df9a5bc4b4cbf76ab92f36d0" },
	{ "parent.listener", "76369f9d185f5d4e94e56de9fd297d2a" },
	{ "parent.ready", "8be9c503ff495f7bb3740ea9ec20de6d" },
	{ "parent.started", "8135d2ba762054e99fbdfa0d19bfb6d4" },
	{ "parent.status", "1388c51882935c06bcd3a20eea548a56" },
	{ "parent.stopped", "7bb84a44412158eaa1faa7a1c9582207" },
	{ "parent.stopping", "50cbe556a1e956df8da1316993eb6d5a" },
	{ "parent.warning", "ea64a719c30052c4a40027ce81b7c455" },
	{ "renewal.put_off", "c946301e697e595ca5a29bd5396099cf" },
	{ "spend.abandoned", "c229185950b458a3920b8a5eaee1461f" },
	{ "spend.intent", "3a420ed16cdb5354a17e43ca01e2d918" },
	{ "spend.refused", "2deacf9aa36751fcb0899943e14e4ac3" },
	{ "spend.salvaged", "b48e5622d00f5a6c9b018d10044f5cb7" },
	{ "spend.unknown", "2f6f67b49145594eb21ae923bd1433ba" },
	{ "status.credential", "b2be6647289d578dbc042590ad8d034b" },
	{ "status.mint", "89d4233205d652d7a680145621fcd890" },
	{ "store.not_written", "fc66ecf7c0185eeb8e286d5d2c4b2301" },
	{ "store.state", "70f38a731ad05b73ad003ee2b3ca2408" },
	{ "token.checked", "adbf9f976ae95dd88da5f55699acb30e" },
	{ "token.dead", "20d96b6b1fea54dca2e84c7563b9f858" },
	{ "token.ending", "3d8ab746c0b75c7daa09db2b75171c78" },
	{ "token.introspected", "df8a6d3168cb5ebcabc363f36fcc63f9" },
	{ "token.kept", "8fcc2a28583652bfbebeadd1dd6912dd" },
	{ "token.left", "b8c1fde0d7395c01afc3cd7226778510" },
	{ "token.logged_in", "e6fb63b579c95eaa8ec665fd242f1bc6" },
	{ "token.minted", "c486a8f09e4456a9bd6fe7b9c311fd9d" },
	{ "token.not_revoked", "4ea4f26cd6d05261a4d57f351673b7f4" },
	{ "token.reported", "f454a046fdc158eb9c75933ad596e1d9" },
	{ "token.revoked", "5ffa6e7a2857519e9f93d6dd45f09b2a" },
	{ "token.served", "6a083cbf045052649e631c56b9d20bf7" },
	{ "token.unchanged", "8e29008820bc5c06af7e05f46d212046" },
};
/* clang-format on */

const struct log_id *log_ids(size_t *n)
{
	*n = sizeof(ids) / sizeof(ids[0]);
	return ids;
}

const char *log_message_id(const char *event)
{
	size_t low = 0, high = sizeof(ids) / sizeof(ids[0]);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(event, ids[middle].event);

		if (order == 0)
			return ids[middle].id;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

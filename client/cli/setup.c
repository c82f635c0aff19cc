#include "client/cli/cli.h"
int cmd_setup(struct cli *cli)
{
	(void)cli;
	return 0;
}

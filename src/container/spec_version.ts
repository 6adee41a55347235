/** Version of the OCI runtime specification that the program follows. */
export const SPEC_VERSION = "1.2.0";

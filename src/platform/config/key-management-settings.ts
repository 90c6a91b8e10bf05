import { z } from 'zod'
import { defaulted, ignored, key, later, section } from './section.ts'
import { flag, name, names, text, textMap } from './values.ts'

/** LiteLLM's `key_management_settings`. */
export const keyManagementSettings = section(
  {
    hosted_keys: key(names, 'Names looked up in the secret manager; others come from the environment. Default: all.'),
    access_mode: defaulted(
      z.enum(['read_only', 'write_only', 'read_and_write']),
      'read_only',
      '`write_only`: nothing is read from the manager.',
    ),
    primary_secret_name: key(name, 'One secret that holds many values, as a JSON object: names are its fields.'),
    store_virtual_keys: defaulted(flag, false, 'Store virtual keys in the manager when they are made.'),
    prefix_for_stored_virtual_keys: defaulted(text, 'litellm/', 'What stands before the name of a stored virtual key.'),
    description: key(text, 'Description of stored secrets.'),
    tags: key(textMap, 'Tags of stored secrets.'),
    kms_key_id: key(name, 'AWS KMS key that encrypts stored secrets, or that ciphertext must be of.'),
    custom_secret_manager: key(name, 'ES module of your own, beside the config: `./my-secrets.mjs`.'),
    aws_region_name: key(name, 'AWS region. Default: AWS_REGION_NAME, AWS_REGION, AWS_DEFAULT_REGION.'),
    aws_role_name: key(name, 'ARN of the AWS role to assume.'),
    aws_session_name: key(name, 'Session name of that role. Default: routeiq.'),
    aws_external_id: key(name, 'External id that the role demands.'),
    aws_web_identity_token: key(
      name,
      'File with the web identity token, or the token. Default: AWS_WEB_IDENTITY_TOKEN_FILE.',
    ),
    aws_sts_endpoint: key(name, 'Address of AWS STS, for VPC endpoints.'),
  },
  {
    ...later({ replica_regions: 'AWS regions to which stored secrets are copied.' }),
    ...ignored({ aws_profile_name: 'profiles are not read; give keys in the environment or a role' }),
  },
)

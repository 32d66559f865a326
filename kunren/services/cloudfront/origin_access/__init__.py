"""Origins that only CloudFront may ask: origin access controls and identities, and how S3 tells them from others."""

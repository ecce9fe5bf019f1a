-- Run once, when the cluster is made.
CREATE ROLE helvetia LOGIN;
CREATE DATABASE helvetia OWNER helvetia;
